// Results that nobody takes: the disk is full, or the reader has gone.
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { onMachine, program } from '../helpers.ts'

const PLUGINS = join(program, '..', '..', 'plugins')

const ipam = { type: 'host-local', subnet: '10.1.0.0/24', routes: [{ dst: '0.0.0.0/0' }] }
const prevResult = {
  cniVersion: '1.1.0',
  ips: [{ address: '10.1.0.2/24', interface: 0 }],
  interfaces: [{ name: 'eth0', sandbox: '/run/netns/red' }],
}
const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]

/** All that an ADD makes; the store of addresses itself may stay. */
const DUMP = `dump() {
  ip -o link | cut -d: -f2; ip -n red -br link; ip -o address; nft list ruleset; ls /run
  cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/*forwarding /proc/sys/net/ipv4/conf/*/route_localnet
  find /var/lib/cni -type f ! -name lock ! -name '.by-*' ! -name 'last_*' 2>/dev/null
}
: >/run/before; : >/run/after; : >/run/code; : >/run/err; ip netns add red; dump >/run/before`

/** Runs \`command\` with its output on a full disk, and with a reader that has gone; prints exit code, stderr, and what differs. */
const TRY = `try() {
  "$@" >/dev/full 2>/run/err; echo "exit $?"; cat /run/err; dump | diff /run/before -
  { "$@" 2>/run/err; echo $? >/run/code; } | sleep 0; echo "exit $(cat /run/code)"; cat /run/err; : >/run/code; dump | diff /run/before -
}`

it.each([
  ['bridge', { bridge: 'br9', isGateway: true, ipMasq: true, macspoofchk: true, promiscMode: true, ipam }],
  ['ptp', { ipMasq: true, ipam }],
  ['portmap', { runtimeConfig: { portMappings }, prevResult }],
  ['loopback', {}],
  ['host-local', { ipam }],
  ['static', { ipam: { type: 'static', addresses: [{ address: '10.1.0.9/24' }] } }],
])('%s: an ADD whose result cannot be written takes everything back, and says so in a line', (type, more) => {
  const config = JSON.stringify({ cniVersion: '1.1.0', name: 'n', type, ...more })
  const output = onMachine(`PATH=${join(process.execPath, '..')}:$PATH; ${DUMP}; ${TRY}
    export CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/run/netns/red CNI_IFNAME=eth0 CNI_PATH=${PLUGINS}
    plugin() { echo '${config}' | ${PLUGINS}/${type}; }; : >/run/after; dump >/run/before; try plugin
    plugin >&- 2>/run/err; echo "exit $?"; cat /run/err; dump | diff /run/before -
    plugin >/dev/null; echo "exit $?"; CNI_COMMAND=DEL plugin >&-; echo "exit $?"`)
  const line = (why: string) =>
    `exit 1\ncnilab's CNI plugin ${type}: could not write the result to standard output (${why}, write); everything was undone\n`
  const lines = ['ENOSPC: no space left on device', 'EPIPE: broken pipe', 'EBADF: bad file descriptor'].map(line)
  expect(output).toBe(`${lines.join('')}exit 0\nexit 0\n`)
})

it('an answer that is no result is told on stderr, in a line', () => {
  const output = onMachine(`PATH=${join(process.execPath, '..')}:$PATH; export CNI_COMMAND=ADD
    ${PLUGINS}/bridge </dev/null >/dev/full; echo "exit $?"; CNI_COMMAND=VERSION ${PLUGINS}/bridge </dev/null >/dev/full; echo "exit $?"
    CNI_COMMAND=ADD ${PLUGINS}/bridge </dev/null >/dev/full 2>/dev/full; echo "exit $?"`)
  expect(output).toBe(`cnilab's CNI plugin bridge: required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME] missing
exit 1
cnilab's CNI plugin bridge: ENOSPC: no space left on device, write
exit 1
exit 1
`)
})

it('as a runtime, cnilab takes back what it cannot tell', () => {
  const output = onMachine(`${DUMP}; ${TRY}; try cnilab bridge add c red --host --json
    cnilab cni add mynet red --host >/dev/full; echo "exit $?"; ip -n red -o link show type veth; ls /var/lib/cni/results`)
  const untold = /could not write the result to standard output \((ENOSPC|EPIPE)[^]*?undone/g
  expect(output.match(/^exit \d/gm)).toEqual(['exit 1', 'exit 1', 'exit 1'])
  expect(output.match(untold)).toHaveLength(3)
  expect(output).toMatch(/what had been made was removed again, with DEL\n.*\nexit 1\n$/)
  expect(output).not.toMatch(/^[<>]/m)
})

it('what cannot be written does not stop what is done', () => {
  const output = onMachine(`ip link set lo up
    for command in 'netns create red' 'bridge add c red' 'bridge add d red --json' 'clean'; do cnilab $command --host >/dev/full; echo "exit $?"; done
    cnilab lab run --auto --host >/dev/full; echo "exit $?"; ip netns; ip -br link | cut -d' ' -f1; ls /run`)
  expect(output).not.toContain(' at ')
  expect(output.match(/^Error: .*/gm)?.every((line) => line.length < 200)).toBe(true)
  expect(output.match(/^exit \d/gm)).toEqual(['exit 1', 'exit 1', 'exit 1', 'exit 1', 'exit 1'])
  expect(output).toMatch(/exit 1\nlo\nnetns\n$/)
})
