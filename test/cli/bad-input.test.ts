import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { listSandboxes } from '../../src/sandbox/find.ts'
import { cli, onMachine, program, runtime } from '../helpers.ts'

it.each([{}, { CNILAB_SANDBOX: 'a/b' }])('a bad name of a sandbox is told in a line: %j', async (variables) => {
  const words = ['netns', 'list', ...(Object.keys(variables).length === 0 ? ['--sandbox', 'a/b'] : [])]
  const { code, stderr } = await cli(words, '', undefined, variables)
  expect([code, stderr]).toEqual([2, expect.stringMatching(/^Error: 'a\/b' is not a sandbox name: .*\n$/)])
})

it.each([
  ['netns', 'create'],
  ['netns', 'create', ''],
  ['netns', 'create', 'host'],
  ['masquerade', '0.0.0.0/0'],
  ['masquerade', '::/0'],
  ['netns', 'create', '1'],
  ['netns', 'create', 'internet'],
  ['netns', 'create', '../x'],
  ['netns', 'create', '--', '-n'],
  ['netns', 'create', 'red', '--bogus'],
  ['netns', 'create', 'x'.repeat(65)],
  ['netns', 'create', 'red', '--sandbox', '../x'],
  ['netns', 'nosuch'],
  ['nosuch'],
  ['bridge', 'create', '1234567890123456'],
  ['bridge', 'create', 'a b'],
  ['veth', 'pair', 'a', 'a'],
  ['attach', 'a'],
  ['attach', 'lo', '--netns', 'red'],
  ['bridge', 'create', 'a#b'],
  ['attach', 'a', '--netns', 'red', '--bridge', 'b'],
  ['ip', 'assign', '10.22.0.0/16', 'a'],
  ['ip', 'assign', '10.22.0.2', 'a'],
  ['ip', 'assign', '10.22.0.999/16', 'a'],
  ['up', 'a/b'],
  ['masquerade', '10.22.0.1/16'],
  ['masquerade', '10.22.0.0'],
  ['route', 'add', 'default', '--via', 'x'],
  ['route', 'add', 'fd00::/64', '--via', '10.0.0.1'],
  ['lab', 'run', 'nosuch'],
  ['lab', 'run', './nosuch.yaml'],
  ['lab', 'run', '--set', 'nosuch=1'],
  ['lab', 'run', '--set', 'subnet=10.22.0.1/16'],
  ['lab', 'run', 'scale', '--set', 'containers=0'],
  ['lab', 'run', 'scale', '--set', 'containers=1001'],
  ['exec'],
  ['lab', 'run', '--keep', '--sandbox', '../escaped'],
  ['shell', '--sandbox', ''],
  ['netns', 'delete', '../x'],
  ['netns', 'delete', 'internet'],
  ['netns', 'create', 'a b'],
  ['bridge', 'create', ''],
  ['bridge', 'create', '.'],
  ['bridge', 'create', '..'],
  ['bridge', 'create', '--', '-n'],
  ['bridge', 'delete', 'a/b'],
  ['veth', 'pair', 'a'],
  ['veth', 'pair', 'a', '1234567890123456'],
  ['attach', 'a', '--netns', '../x'],
  ['ip', 'assign', '10.22.255.255/16', 'a'],
  ['ip', 'assign', 'fd00::/64', 'a'],
  ['ip', 'assign', '10.22.0.2/33', 'a'],
  ['ip', 'assign', '10.22.0.2/16', 'a', '--netns', 'host'],
  ['masquerade', 'fd00::1/64'],
  ['route', 'add', '10.7.0.1/16', '--via', '203.0.113.1'],
  ['route', 'add', 'default'],
  ['exec', '--netns', '../x', '--', 'true'],
  ['lab', 'run', '--set', 'container'],
  ['lab', 'run', '--set', 'container=../x'],
  ['lab', 'run', '--set', 'address=10.23.0.1'],
  ['lab', 'run', 'scale', '--set', 'containers=1.5'],
  ['lab', 'show', 'nosuch'],
])('%j %j %j %j is refused with 2 before anything is touched', async (...args) => {
  const { code, stdout, stderr } = await cli(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toMatch(/^Error: /)
  expect(listSandboxes()).toEqual([])
})

it('is one JSON document with --json', async () => {
  const { code, stdout } = await cli(['netns', 'create', 'a b', '--json'])
  expect(code).toBe(2)
  expect(JSON.parse(stdout)).toMatchObject({ schema: 'cnilab/error/v1', ok: false, error: { kind: 'usage' } })
  expect(JSON.parse((await cli(['nosuch', '--json'])).stdout)).toMatchObject({ ok: false, error: { kind: 'usage' } })
  expect(JSON.parse((await cli(['netns', 'create', '--json'])).stdout)).toMatchObject({
    ok: false,
    error: { kind: 'usage' },
  })
})

const refusal = z.looseObject({ error: z.looseObject({ message: z.string(), fix: z.string().optional() }) })

it.each([
  ['netns create host --json', 'is reserved'],
  ['bridge create 1234567890123456 --json', 'the kernel allows 15'],
  ['veth pair a a --json', 'share a name'],
  ['attach a --json', '--netns'],
  ['ip assign 10.22.0.0/16 a --json', 'the network itself'],
  ['masquerade 10.22.0.1/16 --json', 'its subnet is 10.22.0.0/16'],
  ['lab run nosuch --json', "no lab 'nosuch'"],
  ['lab run scale --set containers=1001 --json', '1023 ports'],
  ['netns list --bogus --json', '--bogus'],
])('%s: the one document says the rule', async (line, rule) => {
  const { code, stdout } = await cli(line.split(' '))
  expect(code).toBe(2)
  const document = refusal.parse(JSON.parse(stdout))
  expect(document).toMatchObject({ schema: 'cnilab/error/v1', ok: false, error: { kind: 'usage' } })
  expect(`${document.error.message} ${document.error.fix ?? ''}`).toContain(rule)
  expect(listSandboxes()).toEqual([])
})

it('a mistake in a lab file is named with file, line and column, before anything is touched', async () => {
  const file = join(runtime, 'mistake.yaml')
  writeFileSync(
    file,
    'version: 1\nid: m\ntitle: M\ntext: t\nsteps:\n  - id: bridge\n    title: b\n    text: t\n    operations: [{ bridge: { nmae: b } }]\n',
  )
  const { code, stderr } = await cli(['lab', 'run', file])
  expect(code).toBe(2)
  expect(stderr.split('\n')[0]).toMatch(/^Error: \S*mistake\.yaml:9:30: unknown key 'nmae': did you mean 'name'\?$/)
  expect(listSandboxes()).toEqual([])
})

it.each([
  [['attach', 'nope', '--netns', 'red'], 'there is no'],
  [['up', 'nope'], 'there is no interface nope'],
  [['ip', 'assign', '10.0.0.2/24', 'eth0', '--netns', 'blue'], 'there is no namespace blue'],
  [['bridge', 'create', 'eth0'], 'not a bridge'],
  [['route', 'add', '10.7.0.0/16', '--via', '10.6.0.1'], 'no interface that is up'],
  [['lab', 'run', '--set', 'subnet=203.0.113.0/25'], 'overlaps a route of the host: 203.0.113.0/24 dev eth0'],
])('%j is refused with 1, because the state does', async (args, message) => {
  const { code, stderr } = await cli(args)
  expect([code, stderr.includes(message)]).toEqual([1, true])
})

it('says nothing where the reader goes away, and fails where the disk is full', () => {
  const run = (line: string) =>
    spawnSync('sh', ['-c', line], { encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } })
  const cnilab = `"${process.execPath}" "${program}"`
  for (const args of ['netns create --help', 'lab list', 'lab run --dry-run'])
    expect([args, run(`${cnilab} ${args} | head -1 >/dev/null`).stderr]).toEqual([args, ''])
  const full = run(`${cnilab} lab list >/dev/full`)
  expect([full.status, full.stderr.includes('could not write the result')]).toEqual([1, true])
})

it('takes no argument from standard input', async () => {
  expect((await cli(['netns', 'delete'], 'red\n')).code).toBe(2)
  expect((await cli(['lab', 'run', '--dry-run'], 'nosuch\n')).code).toBe(0)
})

it('keeps the uplink where it is', async () => {
  await cli(['netns', 'create', 'red'])
  for (const line of ['veth delete eth0', 'attach eth0 --netns red']) {
    const { code, stderr } = await cli(line.split(' '))
    expect([line, code, stderr.includes("eth0 is the sandbox's uplink")]).toEqual([line, 1, true])
  }
})

it('a lab whose address overlaps a route of the host is refused, and the route named', async () => {
  const file = join(runtime, 'overlap.yaml')
  writeFileSync(
    file,
    'version: 1\nid: o\ntitle: O\ntext: t\nsteps:\n  - id: a\n    title: a\n    text: t\n    operations:\n      - bridge: { name: b }\n      - address: { address: 203.0.113.7/24, ifname: b }\n',
  )
  const { code, stderr } = await cli(['lab', 'run', file, '--auto'])
  expect([code, stderr.includes('203.0.113.0/24 dev eth0')]).toEqual([1, true])
})

it('shows a refused command ready to paste', async () => {
  await cli(['exec', '--', 'ip', 'link', 'add', 'name', 'a', 'type', 'bridge'])
  const { stderr } = await cli(['veth', 'pair', 'a', 'b'])
  expect(stderr).toContain('ip link add name a type veth peer name b')
})

it.skipIf(process.getuid?.() === 0)('--host without root is refused with 3', async () => {
  expect((await cli(['netns', 'list', '--host'])).code).toBe(3)
})

it.each([
  ['sandbox', 'list', '--bogus'],
  ['lab', 'list', '--bogus'],
])('%s %s %s is refused with 2', async (...args) => {
  expect((await cli(args)).code).toBe(2)
})

it('names a remedy for where it was told to act', async () => {
  const { stderr } = await cli(['attach', 'x', '--netns', 'red', '--sandbox', 'blue'])
  expect(stderr).toContain('what to do: cnilab netns create red --sandbox blue\n')
  const shell = await cli(['exec', '--netns', 'red', '--sandbox', 'blue', '--', 'true'])
  expect(shell.stderr).toContain('what to do: cnilab netns create red --sandbox blue\n')
})

it('names a remedy that works', async () => {
  const at = (run: { stderr: string }) =>
    /what to do: cnilab (.*)/.exec(run.stderr)?.[1]?.split(',')[0]?.split(' ') ?? []
  await cli(['netns', 'create', 'red'])
  await cli(['veth', 'pair', 'x', 'y'])
  expect(at(await cli(['attach', 'y', '--bridge', 'br7']))).toEqual(['bridge', 'create', 'br7'])
  expect(at(await cli(['up', 'eth7', '--netns', 'red']))).toEqual([
    'attach',
    'IFNAME',
    '--netns',
    'red',
    '--name',
    'eth7',
  ])
  expect(at(await cli(['up', 'eth0', '--netns', 'blue']))).toEqual(['netns', 'create', 'blue'])
  await cli(['bridge', 'create', 'br7'])
  await cli(['attach', 'y', '--bridge', 'br7'])
  expect((await cli(at(await cli(['bridge', 'delete', 'br7'])))).code).toBe(0)
  expect((await cli(['bridge', 'delete', 'br7'])).code).toBe(0)
})

it('a program whose name steers terminals is refused, and its name shown', async () => {
  const before = listSandboxes()
  const { code, stderr } = await cli(['exec', '--', 'a\u001b[2J'])
  expect([code, stderr]).toEqual([
    2,
    "Error: 'a\\x1b[2J' is not the name of a program: it contains invisible characters\n",
  ])
  expect(listSandboxes()).toEqual(before)
})

it('what is missing is told where nft is not installed, too', () => {
  const output = onMachine(`
    touch /run/no-program; mount --bind /run/no-program "$(command -v nft)"
    cnilab up nope --host; echo $?`)
  expect(output).toMatch(/there is no interface nope\n[^]*\n1\n$/)
})
