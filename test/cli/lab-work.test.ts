import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import * as z from 'zod'
import { cli, onTerminal, removeSandboxes, runtime } from '../helpers.ts'

afterEach(async () => {
  await removeSandboxes()
  await cli(['lab', 'stop'])
})

const checkSchema = z.object({
  schema: z.literal('cnilab/lab-check/v1'),
  lab: z.string(),
  ok: z.boolean(),
  findings: z.array(
    z.looseObject({ id: z.string(), step: z.string(), passed: z.boolean().nullable(), actual: z.string() }),
  ),
})
const statusSchema = z.object({
  schema: z.literal('cnilab/lab-status/v1'),
  steps: z.array(z.looseObject({ id: z.string(), status: z.string(), solved: z.boolean(), hints: z.number() })),
})

async function check(...args: string[]) {
  const { code, stdout } = await cli(['lab', 'check', '--json', ...args])
  return { code, ...checkSchema.parse(JSON.parse(stdout)) }
}
const red = (findings: z.infer<typeof checkSchema>['findings']) =>
  findings.filter(({ passed }) => passed === false).map(({ id }) => id)
const status = async () => {
  const { stdout } = await cli(['lab', 'status', '--json'])
  const parsed = statusSchema.safeParse(JSON.parse(stdout))
  if (!parsed.success) throw new Error(stdout)
  return parsed.data.steps
}
const inside = (script: string) => cli(['exec', '--', 'sh', '-c', script])
const progressFile = join(runtime, 'state', 'cnilab', 'labs', 'default.json')

it('one mistake is one red line: what depends on it is skipped', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const begin = await check()
  expect([begin.code, begin.ok, red(begin.findings)]).toEqual([1, false, ['netns.red']])
  expect((await cli(['lab', 'solve', 'masquerade', '--yes'])).code).toBe(0)
  const end = await check()
  expect([end.code, end.ok, red(end.findings)]).toEqual([0, true, []])
  expect(end.findings.every(({ passed }) => passed)).toBe(true)
  await inside('ip -n red address add 10.22.0.2/24 dev eth0; ip -n red address delete 10.22.0.2/16 dev eth0')
  const wrong = await check()
  expect(wrong.findings.find(({ id }) => id === 'address.red.eth0.10.22.0.2')?.actual).toContain('10.22.0.2/24')
  expect(red(wrong.findings)).toEqual(['address.red.eth0.10.22.0.2'])
  expect((await check('veth')).ok).toBe(true)
  const human = await cli(['lab', 'check'])
  for (const text of [
    'expected: eth0 in namespace red has 10.22.0.2/16',
    'actual:   eth0 in namespace red has 10.22.0.2/24',
  ])
    expect(human.stdout).toContain(text)
  const hint = await cli(['lab', 'hint'])
  expect(hint.stdout).toContain('has 10.22.0.2/24')
  await inside('ip -n red link delete eth0')
  expect(red((await check()).findings)).toEqual(['veth.veth-c'])
  await cli(['lab', 'solve', 'masquerade', '--yes'])
  await inside('ip netns delete red')
  expect(red((await check()).findings)).toEqual(['netns.red'])
})

it('hints come one at a time, after what is wrong; then the solution is offered, and run on yes', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['bridge', 'create', 'cni0'])
  const hints = await Promise.resolve([await cli(['lab', 'hint']), await cli(['lab', 'hint'])])
  expect(hints[0]?.stdout).toContain('there is no namespace red')
  expect(hints[0]?.stdout).toContain('Hint 1 of')
  expect(hints[1]?.stdout).toContain('Hint 2 of')
  for (let i = 0; i < 3; i++) await cli(['lab', 'hint'])
  expect((await cli(['lab', 'hint'])).stdout).toContain('The solution: cnilab lab solve netns')
  const shown = await cli(['lab', 'solve'])
  expect([shown.code, shown.stdout.includes('$ ip netns add red'), shown.stdout.includes('add --yes')]).toEqual([
    0,
    true,
    true,
  ])
  expect((await status())[0]?.status).toBe('next')
  expect((await onTerminal('lab solve', [['Run it?', 'n\r']])).code).toBe(0)
  expect((await status())[0]?.status).toBe('next')
  expect((await onTerminal('lab solve', [['Run it?', 'y\r']])).code).toBe(0)
  const [first, second] = await status()
  expect([first?.status, first?.solved, second?.status, second?.solved]).toEqual(['done', true, 'done', false])
})

it.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s at a question for a yes means no, everywhere', async (_name, keys) => {
  await cli(['lab', 'start', 'eight-steps'])
  const solve = await onTerminal('lab solve', [['Run it?', keys]])
  expect([solve.code, solve.screen.includes('Warning')]).toEqual([0, false])
  const step = await onTerminal('step up', [['Do them, too?', keys]])
  expect([step.code, step.screen.includes('Warning'), step.screen.includes('--with-missing')]).toEqual([1, false, true])
  expect((await status()).map((one) => one.status)).not.toContain('done')
})

it('reset rebuilds the exact state at the start of a step, whatever was done', async () => {
  const dump = async () =>
    (
      await cli([
        'exec',
        '--',
        'sh',
        '-c',
        'ip -o addr | sed "s/.*: //"; ip route; nft list ruleset; ls /run/netns; cat /proc/sys/net/ipv4/ip_forward; ip -n red route 2>&1',
      ])
    ).stdout
  await cli(['lab', 'start', 'eight-steps'])
  const start = await dump()
  await cli(['lab', 'solve', 'ip', '--yes'])
  const atUp = await dump()
  await cli(['lab', 'solve', 'masquerade', '--yes'])
  await inside('ip netns add mess; ip link add name x type bridge; nft add table inet mess; ip -n red link delete eth0')
  expect((await cli(['lab', 'reset', 'up', '--yes'])).code).toBe(0)
  expect(await dump()).toBe(atUp)
  expect((await status()).map((step) => step.status)).toEqual([
    ...Array.from({ length: 6 }, () => 'done'),
    'next',
    'not yet',
  ])
  expect((await cli(['lab', 'reset', '--yes'])).code).toBe(0)
  expect(await dump()).toBe(start)
  // What was once reached is still asked for, but not what a reset took back.
  expect(red((await check()).findings)).toEqual(['netns.red'])
})

it('reset asks first, and keeps on record which hints were taken', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['lab', 'hint'])
  await cli(['lab', 'solve', 'netns', '--yes'])
  const before = await status()
  const unasked = await cli(['lab', 'reset'])
  expect([unasked.code, unasked.stderr.includes('add --yes'), await status()]).toEqual([2, true, before])
  const no = await onTerminal('lab reset', [['will be lost', 'n\r']])
  expect([no.code, no.screen.includes('Nothing was changed'), await status()]).toEqual([0, true, before])
  const yes = await onTerminal('lab reset', [['will be lost', 'y\r']])
  expect([yes.code, (await status())[0]?.status]).toEqual([0, 'next'])
  const recorded: unknown = JSON.parse(readFileSync(progressFile, 'utf8'))
  expect(recorded).toMatchObject({ steps: { netns: { hints: 1, solved: true } } })
  expect(recorded).not.toHaveProperty('steps.netns.done')
})

it('progress survives the sandbox, a torn file and an upgrade of the lab, and `stop` ends it', async () => {
  const file = join(runtime, 'upgraded.yaml')
  const lab = (id: string, more = '') =>
    `version: 1\nid: u\ntitle: U\ntext: t\nsteps:\n  - { id: ${id}, title: a, text: t, operations: [{ bridge: { name: b1 } }] }\n  - { id: two, title: b, text: t, operations: [{ bridge: { name: b2 } }] }\n${more}`
  writeFileSync(file, lab('one'))
  await cli(['lab', 'start', file])
  await cli(['step', 'one'])
  expect(JSON.parse(readFileSync(progressFile, 'utf8'))).toMatchObject({
    version: 1,
    lab: file,
    steps: { one: { hints: 0 } },
  })
  await removeSandboxes()
  const gone = await cli(['lab', 'status'])
  expect([gone.code, gone.stderr.includes('lab start --resume rebuilds it')]).toEqual([1, true])
  writeFileSync(file, lab('one', '  - { id: three, title: c, text: t, operations: [{ bridge: { name: b3 } }] }\n'))
  expect((await cli(['lab', 'start', '--resume'])).code).toBe(0)
  expect((await status()).map((step) => step.status)).toEqual(['done', 'next', 'not yet'])
  writeFileSync(file, lab('renamed'))
  expect((await status()).map((step) => step.status)).toEqual(['done', 'next'])
  rmSync(file)
  expect((await cli(['lab', 'status'])).code).toBe(2)
  expect((await cli(['lab', 'stop'])).code).toBe(0)
  expect(existsSync(progressFile)).toBe(false)
  expect((await cli(['lab', 'stop'])).code).toBe(1)
})

it('of a torn file the sandbox has a copy, which is believed for a lab that ships', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['lab', 'hint'])
  writeFileSync(progressFile, '{"version":1,')
  expect((await status())[0]?.hints).toBe(1)
})

it('a program of the sandbox cannot name the lab, and so the file, that is read outside', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const forged = (lab: string, more = '') =>
    inside(
      `cd /run/cnilab; sed -i 's#"lab": "eight-steps"#"lab": "${lab}"#; s#"written": "20#"written": "29#; ${more}' progress.json`,
    )
  await forged('/etc/passwd')
  expect((await cli(['lab', 'status'])).stdout).toContain('The eight steps')
  rmSync(progressFile)
  const nothing = await cli(['lab', 'status'])
  expect([nothing.code, nothing.stderr.includes('no lab is running')]).toEqual([1, true])
})

it('what two terminals note at once is all there', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await Promise.all(
    [1, 2, 3].map((n) => cli(n === 3 ? ['step', 'bridge'] : ['lab', 'solve', n === 1 ? 'netns' : 'veth', '--yes'])),
  )
  const [netns, bridge, veth] = await status()
  expect([netns?.solved, bridge?.solved, veth?.solved]).toEqual([true, true, true])
  const resets = await Promise.all([1, 2, 3].map(() => cli(['lab', 'reset', 'bridge', '--yes'])))
  // Who waits for longer than a second says so.
  const said = resets.map(({ code, stderr }) => [code, stderr.replace(/^waiting for .*\n$/, '')])
  expect(said).toEqual([1, 2, 3].map(() => [0, '']))
  expect((await status()).map((step) => step.status).slice(0, 2)).toEqual(['done', 'next'])
})

it('a step that is not reached is not ok, and what it waits for is named', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { code, stdout } = await cli(['lab', 'check', 'up'])
  expect([code, stdout.includes('step netns (Create a network namespace) comes first')]).toEqual([1, true])
  expect((await check('up')).ok).toBe(false)
})

it('all that was done is built again, also where a step before it was not', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['step', 'attach-netns', '--with-missing']) // without the bridge
  await removeSandboxes()
  await cli(['exec', '--', 'true']) // makes the sandbox anew
  expect((await cli(['lab', 'start', '--resume'])).code).toBe(0)
  expect((await status()).map((step) => step.status).slice(0, 5)).toEqual(['done', 'next', 'done', 'done', 'not yet'])
})

it('reset runs the commands of the steps before, too', async () => {
  await cli(['lab', 'start', 'two-namespaces'])
  await cli(['lab', 'solve', 'beyond', '--yes'])
  const started = performance.now()
  expect((await check()).ok).toBe(true)
  // Its end waits for nothing, such as the time that what answered TCP may have taken to end.
  expect(performance.now() - started).toBeLessThan(8000)
  await cli(['lab', 'reset', 'beyond', '--yes'])
  expect((await status()).map((step) => step.status)).toEqual([...Array.from({ length: 7 }, () => 'done'), 'next'])
})

it('refuses to go on where another network has taken the place of the lab, and reset builds it again', async () => {
  await cli(['lab', 'start', 'two-namespaces'])
  await cli(['step', 'namespaces'])
  await removeSandboxes()
  const notice = await cli(['netns', 'create', 'other'])
  expect(notice.stderr).toContain('cnilab lab start --resume rebuilds it')
  const refused = await cli(['lab', 'start', '--resume'])
  expect([refused.code, refused.stderr.includes('cnilab lab reset namespaces')]).toEqual([1, true])
  await cli(['lab', 'reset', 'cable', '--yes'])
  expect((await status())[0]?.status).toBe('done')
  expect((await cli(['exec', '--', 'ls', '/run/netns'])).stdout).not.toContain('other')
})

it('labs that were ended inside their sandbox stay ended, also when another was begun and ended after them', async () => {
  await cli(['lab', 'start', 'two-namespaces'])
  await inside('cnilab lab stop; cnilab lab start by-hand; cnilab lab stop')
  expect((await cli(['lab', 'status'])).code).toBe(1)
  expect(existsSync(progressFile)).toBe(false)
  await inside('cnilab lab start by-hand')
  expect((await cli(['lab', 'status'])).stdout).toContain('By hand')
})

it('of several that start a lab at once, one does', async () => {
  await cli(['exec', '--', 'true'])
  const starts = await Promise.all([1, 2, 3].map(() => cli(['lab', 'start', 'masquerade'])))
  expect(starts.map(({ code }) => Number(code)).toSorted((a, b) => a - b)).toEqual([0, 1, 1])
  expect(starts.filter(({ stderr }) => stderr.includes('is already running here'))).toHaveLength(2)
})

it('with --json nothing is asked, also on a terminal', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const solve = await onTerminal('lab solve --json')
  expect([solve.code, solve.screen.includes('Run it?')]).toEqual([0, false])
  const step = await onTerminal('step up --json')
  expect([step.code, step.screen.includes('Do them, too?')]).toEqual([1, false])
})

it('of hints taken in several terminals at once each counts', async () => {
  await cli(['lab', 'start', 'two-namespaces'])
  await Promise.all([1, 2, 3].map(() => cli(['lab', 'hint'])))
  expect((await status())[0]?.hints).toBe(3)
})

it('without its internet, what is tried with it has failed', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['lab', 'solve', 'masquerade', '--yes'])
  await inside('ip netns delete internet')
  const { code, findings } = await check()
  expect([code, findings.some(({ actual }) => actual.includes('cnilab lab reset brings it back'))]).toEqual([1, true])
  await cli(['lab', 'reset', 'masquerade', '--yes'])
  expect((await cli(['lab', 'solve', '--yes'])).code).toBe(0)
})

it('a program of the sandbox cannot have the progress written through a link', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const target = join(runtime, 'precious')
  mkdirSync(runtime, { recursive: true })
  writeFileSync(target, 'precious')
  await inside(`cd /run/cnilab; rm -f progress.json; ln -s ${target} progress.json; mkfifo fifo`)
  expect((await cli(['step', 'netns'])).code).toBe(0)
  expect(readFileSync(target, 'utf8')).toBe('precious')
  await inside('cd /run/cnilab; rm -f progress.json; mkfifo progress.json')
  expect((await status())[0]?.status).toBe('done')
})

it('check, hint and status work from the shell of the sandbox', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { stdout } = await inside('ip netns add red; cnilab lab check netns; cnilab lab hint; cnilab step bridge')
  expect(stdout).toContain('1 of 1 passed')
  expect(stdout).toContain('Step 2: Create a bridge')
  expect((await status()).map((step) => step.status).slice(0, 3)).toEqual(['done', 'done', 'next'])
  expect((await status())[1]?.hints).toBe(1)
})

it('one lab a sandbox: another is refused until the first is stopped, or gets a sandbox of its own', async () => {
  await cli(['step'])
  const refused = await cli(['lab', 'start', 'two-namespaces'])
  expect([refused.code, refused.stderr.includes('--sandbox with another name')]).toEqual([1, true])
  expect((await cli(['lab', 'start', 'two-namespaces', '--sandbox', 'other'])).code).toBe(0)
  expect((await cli(['lab', 'stop', '--sandbox', 'other'])).code).toBe(0)
  await cli(['lab', 'stop'])
  await cli(['netns', 'create', 'mine'])
  const network = await cli(['lab', 'start', 'two-namespaces'])
  expect([network.code, network.stderr.includes('already a network here')]).toEqual([1, true])
})

it.each([
  [['start'], 2, 'which lab?'],
  [['start', 'nosuch'], 2, "there is no lab 'nosuch'"],
  [['start', '--resume'], 1, 'no lab is running here'],
  [['check'], 1, "no lab is running in the sandbox 'default'"],
  [['hint'], 1, 'no lab is running'],
  [['stop'], 1, 'no lab is running here'],
])('lab %j without a lab exits with %i', async (args, code, words) => {
  const done = await cli(['lab', ...args])
  expect([done.code, done.stderr.includes(words)]).toEqual([code, true])
})

it('clean, and deleting the sandbox, forget the progress', async () => {
  for (const args of [['clean'], ['sandbox', 'delete', 'default']]) {
    await cli(['lab', 'start', 'eight-steps'])
    expect(existsSync(progressFile)).toBe(true)
    expect((await cli(args)).code).toBe(0)
    expect([args, existsSync(progressFile)]).toEqual([args, false])
  }
})
