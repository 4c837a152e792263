import { beforeEach, expect, it } from 'vitest'
import * as z from 'zod'
import { cli, onTerminal, removeSandboxes } from '../helpers.ts'

beforeEach(removeSandboxes)

const map = z.object({ steps: z.array(z.object({ id: z.string(), status: z.string() })) })
const one = z.object({
  step: z.object({
    id: z.string(),
    status: z.string(),
    commands: z.array(z.string()),
    changed: z.object({ gone: z.array(z.string()), added: z.array(z.string()) }),
    findings: z.array(z.object({ id: z.string(), passed: z.boolean().nullable() })),
  }),
})

const statuses = async () =>
  map.parse(JSON.parse((await cli(['step', '--json'])).stdout)).steps.map(({ status }) => status)
const step = async (...args: string[]) => one.parse(JSON.parse((await cli(['step', ...args, '--json'])).stdout)).step

it(
  'does the eight steps one by one, each with what it changed, and takes them back in reverse',
  { timeout: 120_000 },
  async () => {
    const ids = ['netns', 'bridge', 'veth', 'attach-netns', 'attach-bridge', 'ip', 'up', 'masquerade']
    for (const [i, id] of ids.entries()) {
      expect(await statuses()).toEqual(ids.map((_, n) => (n < i ? 'done' : n === i ? 'next' : 'not yet')))
      const { status, changed, findings } = await step(i % 2 === 0 ? id : String(i + 1))
      expect([id, status, changed.added.length > 0]).toEqual([id, 'done', true])
      expect(findings.filter(({ passed }) => passed !== true)).toEqual([])
      expect(await step(id)).toMatchObject({ status: 'already', commands: [], changed: { gone: [], added: [] } })
    }
    expect((await cli(['exec', '--netns', 'red', '--', 'ping', '-c1', '-W2', '203.0.113.1'])).code).toBe(0)
    for (const id of ids.toReversed()) expect(await step('--undo')).toMatchObject({ id, status: 'undone' })
    expect(await statuses()).toEqual(['next', ...Array.from({ length: 7 }, () => 'not yet')])
    expect((await cli(['exec', '--', 'nft', 'list', 'ruleset'])).stdout).toBe('')
    expect((await cli(['exec', '--', 'cat', '/proc/sys/net/ipv4/ip_forward'])).stdout).toBe('0\n')
    expect((await cli(['step', '--undo'])).code).toBe(1)
  },
)

it('reads what is done from the kernel, whoever did it', async () => {
  await cli(['exec', '--', 'ip', 'netns', 'add', 'red'])
  await cli(['bridge', 'create', 'cni0'])
  expect((await statuses()).slice(0, 3)).toEqual(['done', 'done', 'next'])
  await cli(['exec', '--', 'ip', 'netns', 'delete', 'red'])
  expect((await statuses()).slice(0, 3)).toEqual(['next', 'done', 'not yet'])
})

it('names the steps that must come first, and does them with --with-missing', async () => {
  const refused = await cli(['step', 'attach-netns'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('needs earlier steps first: netns (Create a network namespace), veth (')
  expect(refused.stderr).toContain('what to do: cnilab step attach-netns --with-missing\n')
  expect((await statuses()).includes('done')).toBe(false)
  expect((await cli(['step', 'attach-netns', '--with-missing'])).code).toBe(0)
  expect(await statuses()).toEqual(['done', 'next', 'done', 'done', ...Array.from({ length: 4 }, () => 'not yet')])
  // Its checks send packets, which pass through everything before it.
  expect((await cli(['step', 'up'])).stderr).toContain('first: bridge (')
  expect((await cli(['step', 'masquerade', '--with-missing'])).stdout).toContain(
    '✔ The internet sees red as 203.0.113.2',
  )
})

it('draws the network, and says what comes next', async () => {
  await cli(['step', 'attach-netns', '--with-missing'])
  const { stdout } = await cli(['step', 'attach-bridge', '--with-missing'])
  expect(stdout).toContain('├─ cni0 (bridge) down\n│  └─ veth-b down ── red: eth0\n')
  expect(stdout).toContain('red\n├─ lo down\n└─ eth0 down ── host: veth-b\n')
  expect(stdout).toContain('next: cnilab step ip (')
  const plain = await cli(['step', '--plain'])
  expect(plain.stdout).toContain('next    6 ip ')
  expect(plain.stdout).not.toMatch(/[├│└▸·✔]/)
})

it('--show explains and opens nothing', async () => {
  const { code, stdout, stderr } = await cli(['step', '--show', 'veth'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toContain('$ ip link add name veth-c type veth peer name veth-b')
  expect((await cli(['sandbox', 'list', '--json'])).stdout).toContain('"sandboxes": []')
})

it.each([
  [['nosuch'], 'its steps are: netns, bridge'],
  [['9'], 'its steps are: netns, bridge'],
  [['0'], 'its steps are: netns, bridge'],
  [['--show'], '--show goes with a step'],
  [['veth', '--undo'], 'name none'],
  [['netns', '--by-hand'], 'needs a terminal'],
])('step %j is refused with 2, and starts nothing', async (args, words) => {
  const { code, stderr } = await cli(['step', ...args])
  expect([code, stderr.includes(words)]).toEqual([2, true])
  expect((await cli(['sandbox', 'list', '--json'])).stdout).toContain('"sandboxes": []')
})

it('asks on a terminal whether to do what must come first', async () => {
  const yes = await onTerminal('step attach-netns', [['Do them, too?', 'y\r']])
  expect(yes.code).toBe(0)
  const no = await onTerminal('step up', [['Do them, too?', 'n\r']])
  expect(no.code).toBe(1)
  expect((await onTerminal('step up', [['Do them, too?', '\u0003']])).code).toBe(1)
  expect(await statuses()).toEqual(['done', 'next', 'done', 'done', ...Array.from({ length: 4 }, () => 'not yet')])
})

it('--by-hand checks what was typed in a shell of the sandbox', async () => {
  const right = await onTerminal('step netns --by-hand', [
    ['default, step netns]', 'ip netns add red\r'],
    ['default, step netns]', 'exit\r'],
  ])
  expect([right.code, right.screen.includes('+ red: namespace')]).toEqual([0, true])
  const wrong = await onTerminal('step bridge --by-hand', [
    ['default, step bridge]', 'ip link add name wrong type bridge\r'],
    ['default, step bridge]', 'exit\r'],
  ])
  expect([wrong.code, wrong.screen.includes('there is no interface cni0')]).toEqual([1, true])
})
