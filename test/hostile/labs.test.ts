import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { quote } from '../../src/plan/command-line.ts'
import { cli, onTerminal, runtime } from '../helpers.ts'
import { EVIL, EVIL_NAME, expectOurs, expectVisible } from './hostile.ts'

/** Texts of labs may not hold control characters, but what Markdown makes of a text may. */
const TEXT =
  'a \u202e\u2066 &#27;[2J &#x1b;]52;c;aGk=&#7; &rlm; `&#27;`\n\n- &#27;[8m\n\n| &#27; |\n|---|\n| &#27;c |\n'
const TITLE = 'a \u202e\u2066 title'
/** Prints what means no good: the clipboard, the line before, all of the screen. */
const PRINTING = String.raw`printf '\033]52;c;aGk=\007\033[1A\033[2K\033[2J\033c\n'; printf '\342\200\256\n' >&2`

const check = { sysctl: { key: 'net.ipv4.ip_forward', value: EVIL } }
const lab = {
  version: '1',
  id: 'evil',
  title: TITLE,
  text: TEXT,
  parameters: { name: { type: 'netns', default: 'red', text: TITLE } },
  steps: [
    {
      id: 'one',
      title: TITLE,
      text: TEXT,
      more: TEXT,
      operations: [{ netns: { name: '${name}' } }],
      before: [check],
      run: [{ argv: ['sh', '-c', PRINTING] }, { argv: ['printf', '%s', EVIL] }, { argv: [EVIL] }],
      hints: [TEXT],
      when: [{ finding: '*', text: TEXT }],
      questions: [{ ask: TEXT, choices: [TITLE, TITLE], answer: '1', why: TEXT, try: { argv: ['printf', EVIL] } }],
      focus: [EVIL],
    },
    {
      id: 'two',
      title: TITLE,
      text: TEXT,
      solution: [{ bridge: { name: 'br0' } }],
      checks: [check],
      hints: [TEXT],
      when: [{ finding: '*', text: TEXT }],
    },
  ],
  learned: TEXT,
  links: [{ title: TITLE, url: 'https://example.org/\u202e' }],
}
const file = join(runtime, 'evil.yaml')
/** Chooses what stands so many lines further down. */
const down = (n: number) => `${'\u001b[B'.repeat(n)}\r`
beforeAll(() => writeFileSync(file, JSON.stringify(lab)))

it.each([
  ['show', file],
  ['show', file, '--plain'],
  ['show', file, '--json'],
  ['run', file, '--dry-run'],
  ['run', file, '--dry-run', '--json'],
  ['run', file, '--explain'],
  ['run', file, '--script'],
  ['run', file, '--auto'],
  ['run', file, '--auto', '--plain'],
  ['run', file, '--auto', '--json'],
])('lab %s %s %s %s', async (...args) => expectVisible(await cli(['lab', ...args])))

it('--dry-run shows what will run, whole', async () => {
  const { stdout } = await cli(['lab', 'run', file, '--dry-run'])
  const argv = lab.steps.flatMap(({ run = [] }) => run.map((one) => one.argv.map(quote).join(' ')))
  expect(stdout.split('\n').slice(1, 4)).toEqual(argv)
})

it('while somebody works on it', async () => {
  for (const args of [
    ['lab', 'start', file],
    ['lab', 'status'],
    ['step'],
    ['step', 'one', '--show'],
    ['step', 'one'],
    ['lab', 'check'],
    ['lab', 'check', '--json'],
    ['lab', 'hint', 'two'],
    ['lab', 'hint', 'two'],
    ['lab', 'solve'],
    ['lab', 'solve', '--yes'],
    ['lab', 'solve', 'two', '--yes', '--json'],
    ['lab', 'reset', '--yes'],
    ['lab', 'stop'],
  ])
    expectVisible(await cli(args))
})

it('on a terminal', async () => {
  const { code, screen } = await onTerminal(`lab run ${file} --auto`)
  expect(code).toBe(1)
  expectOurs(screen)
  expectOurs((await onTerminal(`lab show ${file}`)).screen)
})

it('in a tour', async () => {
  const { screen } = await onTerminal(`lab run ${file} --sandbox tour`, [
    ['What now?', down(2)], // a hint
    ['Hint 1 of 1', ''],
    ['What now?', down(3)], // explain more
    ['What now?', '\r'], // run it
    ['Your answer', '\r'],
    ['Done.', '\r'],
    ['What now?', down(5)], // quit
    ['The network that you built', down(1)],
  ])
  expect(screen).toContain('Torn down')
  expectOurs(screen)
})

it('in a tour that skips a step', async () => {
  const { screen } = await onTerminal(`lab run ${file} --sandbox skipping`, [
    ['What now?', down(4)], // skip
    ['Step 2 of 2', ''],
    ['What now?', '\r'], // run it
    ['This needs steps that were skipped', down(1)],
    ['What now?', down(5)], // quit
    ['The network that you built', down(1)],
  ])
  expect(screen).toContain('Torn down')
  expectOurs(screen)
})

it('while it is watched', async () => {
  await cli(['lab', 'start', file, '--sandbox', 'watch'])
  const { code, screen } = await onTerminal('lab watch --sandbox watch', [
    ['q quit', 'h'],
    ['Hint 1 of', 'c'],
    ['steps done', 'n'],
    ['Step 1 of', 'l'],
    ['(1 hint)', 's'],
    ['Run it?', 'y'],
    ['✔', 'q', 1000],
  ])
  expect(code).toBe(0)
  expectOurs(screen)
})

it.each<[string, object]>([
  ['key', { [EVIL]: 1 }],
  ['id', { id: EVIL }],
  ['parameter', { parameters: { [EVIL]: { type: 'netns', default: 'x', text: 't' } } }],
  ['default', { parameters: { name: { type: 'netns', default: EVIL, text: 't' } } }],
  ['operation', { start: [{ [EVIL]: {} }] }],
  ['name', { start: [{ bridge: { name: EVIL_NAME } }] }],
  ['value', { start: [{ bridge: { name: ['x', EVIL] } }] }],
  ['template', { start: [{ bridge: { name: `\${${EVIL}}` } }] }],
])('with a mistake in it: %s', async (name, mistake) => {
  const wrong = join(runtime, `wrong-${name}.yaml`)
  writeFileSync(wrong, JSON.stringify({ ...lab, ...mistake }))
  const run = await cli(['lab', 'run', wrong, '--auto'])
  expect(run.code).toBe(2)
  expectVisible(run)
})

it('that is no YAML, in a file of such a name', async () => {
  const wrong = join(runtime, `${EVIL}.yaml`)
  writeFileSync(wrong, `version: 1\n${EVIL}\n\t:`)
  expectVisible(await cli(['lab', 'show', wrong]))
})

it('whose progress somebody else wrote', async () => {
  const folder = join(runtime, 'state', 'cnilab', 'labs')
  mkdirSync(folder, { recursive: true })
  const now = new Date().toISOString()
  const progress = { version: 1, lab: '/tmp/\u202e.yaml', set: ['a=\u2066'], started: now, written: now, steps: {} }
  writeFileSync(join(folder, 'stranger.json'), JSON.stringify(progress))
  for (const args of [['status'], ['start', '--resume'], ['stop']])
    expectVisible(await cli(['lab', ...args, '--sandbox', 'stranger']))
})
