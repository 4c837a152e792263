import { beforeEach, expect, it } from 'vitest'
import { quote } from '../../src/plan/command-line.ts'
import { visible } from '../../src/visible.ts'
import { cli, onEmptyMachine, onTerminal, program, removeSandboxes } from '../helpers.ts'
import { EVIL, EVIL_NAME, expectOurs, expectVisible, HIDDEN } from './hostile.ts'

/** Names that a program in the sandbox may give: $1 is an interface's, $2 any text. */
const SCRIPT = `set -e
ip link add name br0 type bridge
ip link add name "$1" type bridge
ip link set dev "$1" alias "$2"
ip link add name '$(id)' type veth peer name "$(printf 'p\\033[1A')"
ip link set dev '$(id)' master br0
ip netns add "$(printf 'n\\033[2J')"
ip netns add "$2"
ip netns add "$(printf 'two\\nlines')"
ip netns add "$(printf 'no\\377utf8')"
ip netns add red
ip link set dev "$(printf 'p\\033[1A')" netns "$2"
nft add table ip x
nft add chain ip x y
nft add rule ip x y counter comment "\\"$(printf 'c\\033[2J\\342\\200\\256')\\""
`

beforeEach(async () => {
  await cli(['lab', 'stop']) // which an earlier test began
  await removeSandboxes()
  const { code, stderr } = await cli(['exec', '--', 'sh', '-s', '--', EVIL_NAME, EVIL], SCRIPT)
  if (code !== 0) throw new Error(stderr)
})

it.each([
  ['netns list', 0],
  ['netns list --json', 0],
  ['bridge list', 0],
  ['bridge list --json', 0],
  ['sandbox list', 0],
  ['sandbox list --json', 0],
  ['step', 0],
  ['step --json', 0],
  ['step netns', 0],
  ['bridge create br0', 0],
  ['bridge delete br0', 1],
  ['bridge delete br0 --dry-run', 1],
  ['bridge add c1 red', 0],
  ['cni add mynet red --trace', 0],
  ['cni add mynet red --json', 0],
  ['lab run --auto --keep', 0],
  ['lab start eight-steps', 1],
])('%s names what is there', async (words, code) => {
  const run = await cli(words.split(' '))
  expectVisible(run)
  expect(run.code).toBe(code)
})

it('on a terminal', async () => {
  for (const args of ['netns list', 'bridge list', 'step', 'bridge delete br0', 'cni add mynet red --trace'])
    expectOurs((await onTerminal(args)).screen)
})

it('shows a name whole, and in a remedy it does nothing but name', async () => {
  expect((await cli(['bridge', 'list'])).stdout).toContain(visible(EVIL_NAME))
  expect((await cli(['sandbox', 'list'])).stdout).toContain(visible(EVIL))
  const { stderr } = await cli(['bridge', 'delete', 'br0'])
  expect(stderr).toContain(`what to do: cnilab attach '$(id)' --bridge br0 --undo`)
})

it('on the machine itself: aliases, names and the journal', () => {
  const cnilab = `cnilab() { NO_COLOR=1 "${process.execPath}" "${program}" "$@" --host; echo "exit $?"; }`
  const veth = { kind: 'veth', params: { name: 'v1', peer: 'v2', mark: { mac: EVIL, peerMac: EVIL, owner: EVIL } } }
  const sysctl = { kind: 'sysctl', params: { key: 'net.ipv4.ip_forward', value: EVIL } }
  const journal = [veth, sysctl].map((operation, i) => JSON.stringify({ intent: `${EVIL}${i}`, operation, before: {} }))
  const { stdout } = onEmptyMachine(`exec 2>&1; mkdir /run/netns; ${cnilab}
ip link add name br9 type bridge; ip link set dev br9 alias ${quote(EVIL)}
cnilab bridge create br9; cnilab bridge delete br9
cnilab netns create red; ip -n red link add name ${quote(EVIL_NAME)} type bridge; cnilab netns delete red
ip link add name v1 type veth peer name v2
printf '%s\\n' ${journal.map(quote).join(' ')} >>/run/cnilab/journal.jsonl
cnilab clean`)
  expect(stdout).not.toMatch(HIDDEN)
  expect(stdout).toContain(`its alias says: ${visible(EVIL)}`)
  expect(stdout).toContain(`this is not cnilab's: ${visible(EVIL_NAME)}`)
  expect(stdout.match(/^exit \d/gm)?.join(' ')).toBe('exit 1 exit 1 exit 0 exit 1 exit 0')
})
