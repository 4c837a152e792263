import { expect, it } from 'vitest'
import type { CniCommand } from '../../../src/cni/protocol/plugin-type.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { BY_PROGRAMS, everything, keeping, network, OURS, sh, withNamespaces } from '../plugin.ts'

/** A program that does all that deletes at once before, by itself, so that it has vanished when its caller's turn comes. */
const FIRST = `#!/bin/sh
tool=\${0##*/}
input=$(cat)
case "$* $input" in *delete*) printf '%s\\n' "$input" | PATH=$REST $tool "$@" >/dev/null 2>&1 ;; esac
[ -z "$NETNS" ] || [ "$tool" != ip ] || case "$* $input" in *delete*) PATH=$REST ip netns delete $NETNS ;; esac
printf '%s\\n' "$input" | PATH=$REST exec $tool "$@"
`

const LIST = [
  network({ macspoofchk: true }),
  network({ type: 'portmap', runtimeConfig: { portMappings: [{ hostPort: 81, containerPort: 80 }] } }),
]
const PTP = network({ type: 'ptp', name: 'point' }, { subnet: '10.23.0.0/24' })

/** Calls a plugin for a namespace, with or without programs before which everything vanishes. Returns what it printed. */
async function call(kernel: Kernel, command: CniCommand, config: object, how = '', netns = 'red'): Promise<string> {
  const { type } = JSON.parse(JSON.stringify(config))
  const attachment = command === 'GC' ? '' : `CNI_CONTAINERID=c CNI_IFNAME=eth0 CNI_NETNS=/run/netns/${netns}`
  const script = `REST=$PATH; export REST; printf '%s' "$0" | env CNI_COMMAND=${command} CNI_PATH=${OURS} ${attachment} ${how} ${OURS}/${type}`
  const { stdout, stderr } = await kernel.probe(['sh', '-c', script, JSON.stringify(config)])
  return stdout + stderr
}

const vanishing = `${BY_PROGRAMS} PATH=/tmp/first:$PATH`

/** Puts these programs into a folder of the sandbox. */
async function prepare(kernel: Kernel): Promise<void> {
  const files = ['ip', 'nft'].map((tool) => `cat >/tmp/first/${tool} <<'EOF'\n${FIRST}EOF\nchmod +x /tmp/first/${tool}`)
  await sh(kernel, `mkdir -p /tmp/first\n${files.join('\n')}`)
}

it.each([
  ['its cable and its elements', ''],
  ['its namespace, too', 'NETNS=red'],
])('what vanishes between look and deletion counts as deleted in DEL: %s', (_what, how) =>
  withNamespaces(['blue'], async (kernel) => {
    await prepare(kernel)
    for (const [list, blue] of [
      [LIST, '10.22.0.3'],
      [[PTP], '10.23.0.3'],
    ] as const) {
      // The bridge stays, and another container.
      await sh(kernel, 'ip netns add red')
      let prevResult: unknown
      for (const config of list) prevResult = JSON.parse(await call(kernel, 'ADD', { ...config, prevResult }))
      const [first = PTP] = list
      expect(JSON.parse(await call(kernel, 'ADD', first, 'CNI_CONTAINERID=other', 'blue'))).toMatchObject({
        ips: [{ address: expect.stringContaining(blue) }],
      })
      for (const config of list.toReversed())
        expect(await call(kernel, 'DEL', { ...config, prevResult }, `${vanishing} ${how}`)).toBe('')
      await sh(kernel, 'ip netns delete red 2>/dev/null || true')
      const left = await everything(kernel)
      expect(left.filter((line) => line.includes('/c/') || line.includes(blue.replace('.3', '.2/')))).toEqual([])
      expect(left.join('\n')).toContain(blue)
      expect(await call(kernel, 'DEL', first, 'CNI_CONTAINERID=other', 'blue')).toBe('')
    }
  }),
)

it('so it does in GC, and for loopback', () =>
  withNamespaces(['red'], async (kernel) => {
    await prepare(kernel)
    let prevResult: unknown
    for (const config of LIST) prevResult = JSON.parse(await call(kernel, 'ADD', { ...config, prevResult }))
    await call(kernel, 'ADD', PTP, 'CNI_IFNAME=eth1')
    for (const config of [...LIST, PTP]) expect(await call(kernel, 'GC', keeping(config), vanishing)).toBe('')
    expect(
      await sh(
        kernel,
        'nft list ruleset; ip -o link show type veth | grep -v ": eth0" || true; ip -n red -o link show type veth',
      ),
    ).toBe('')
    const lo = { cniVersion: '1.0.0', name: 'lo', type: 'loopback' }
    await call(kernel, 'ADD', lo, 'CNI_IFNAME=lo')
    expect(await call(kernel, 'DEL', lo, `CNI_IFNAME=lo ${vanishing} NETNS=red`)).toBe('')
  }))
