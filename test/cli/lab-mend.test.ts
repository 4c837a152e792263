import { afterEach, expect, it } from 'vitest'
import { cli, onTerminal, removeSandboxes } from '../helpers.ts'
import { foreignRules } from '../lab/wrong-states.ts'

afterEach(async () => {
  await cli(['lab', 'stop'])
  await removeSandboxes()
})

const inside = (script: string) => cli(['exec', '--', 'sh', '-c', script])
const begin = async (upTo: string) => {
  await cli(['lab', 'start', 'eight-steps'])
  for (const step of ['netns', 'bridge', 'veth', 'attach-netns', 'attach-bridge', 'ip', 'up']) {
    await cli(['step', step])
    if (step === upTo) return
  }
}

it('solve says what is wrong, and shows the commands that put it right before it runs them', async () => {
  await begin('ip')
  await inside(
    'ip netns add rde; ip -n red link set dev eth0 netns rde; ip -n rde address add 10.22.0.2/24 dev eth0; ip address add 10.22.0.2/16 dev veth-b',
  )
  const shown = await cli(['lab', 'solve', 'up'])
  expect(shown.code).toBe(0)
  for (const text of [
    'What is wrong',
    'eth0 is in namespace rde',
    '10.22.0.2/16 is on veth-b on the host, and belongs to eth0 in namespace red',
    '$ ip -n rde link set dev eth0 netns red name eth0\n',
    '$ ip address delete 10.22.0.2/16 dev veth-b\n',
    '$ ip -n red address add 10.22.0.2/16 dev eth0\n',
  ])
    expect(shown.stdout).toContain(text)
  expect(shown.stdout).not.toContain('link add')
  expect((await cli(['lab', 'solve', 'up', '--yes'])).code).toBe(0)
  expect((await cli(['lab', 'check', 'up'])).code).toBe(0)
})

it('a step that was done and is lost is done again with the step that needs it, and so is what no step made', async () => {
  await begin('ip')
  await inside('ip link delete dev cni0; ip address flush dev eth0; ip link set dev eth0 down')
  expect((await cli(['lab', 'check'])).stdout.replaceAll(/\s+/g, ' ')).toContain(
    'ip address add 203.0.113.2/24 dev eth0; ip link set dev eth0 up; ip route add default via 203.0.113.1 would bring it back',
  )
  expect((await cli(['step', 'up'])).code).toBe(0)
  expect((await cli(['lab', 'check', 'up'])).code).toBe(0)
  await inside('ip -n red link set dev eth0 mtu 9000; ip link set dev veth-b mtu 1280')
  const { code, stdout } = await cli(['lab', 'solve', 'masquerade', '--yes'])
  expect(stdout).toContain('eth0 in namespace red has an MTU of 9000, and the other end of its cable')
  expect(code).toBe(0)
})

it('an end of a cable is found where it is, by its other end', async () => {
  await begin('veth')
  await inside('ip netns add rde; ip link set dev veth-c netns rde name eth0')
  const refused = await cli(['attach', 'veth-c', '--netns', 'red'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('veth-c is in namespace rde, where it is called eth0')
  const [, back = ''] = /cnilab exec -- (.*)\n/.exec(refused.stderr) ?? []
  await inside(back)
  expect((await cli(['attach', 'veth-c', '--netns', 'red', '--name', 'eth0'])).code).toBe(0)
})

it('check says where a missing end is', async () => {
  await begin('veth')
  await inside('ip netns add rde; ip link set dev veth-c netns rde name eth0')
  const { stdout } = await cli(['lab', 'check', 'attach-netns'])
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain('actual: veth-c is in namespace rde, where it is called eth0')
})

it('rules of others stay with --yes, and go with --remove-foreign, or a yes to that very question', async () => {
  await begin('up')
  await inside(foreignRules(['host']))
  const yes = await cli(['lab', 'solve', '--yes'])
  expect([yes.code, yes.stdout.includes('chain forward: ip protocol icmp drop')]).toEqual([1, true])
  expect((await inside('nft list ruleset')).stdout).toContain('icmp drop')
  const step = await cli(['step', 'masquerade'])
  expect([step.code, step.stdout.includes('cnilab lab solve masquerade --remove-foreign')]).toEqual([1, true])
  expect((await cli(['lab', 'solve', 'masquerade', '--remove-foreign'])).code).toBe(0)
  expect((await inside('nft list ruleset')).stdout).not.toContain('drop')
  await inside(`nft delete table inet guard; ${foreignRules(['host'])}`)
  const no = await onTerminal('lab solve masquerade', [
    ['Run it?', 'y\r'],
    ['Remove these rules', 'n\r'],
  ])
  expect([no.code, (await inside('nft list ruleset')).stdout.includes('icmp drop')]).toEqual([1, true])
  const agreed = await onTerminal('lab solve masquerade', [
    ['Run it?', 'y\r'],
    ['Remove these rules', 'y\r'],
  ])
  expect([agreed.code, (await inside('nft list ruleset')).stdout.includes('drop')]).toEqual([0, false])
})
