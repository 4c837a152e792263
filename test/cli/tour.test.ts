import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import {
  cli,
  eventually,
  inResizedWindow,
  onTerminal,
  processesWith,
  program,
  removeSandboxes,
  runtime,
  shellOnTerminal,
} from '../helpers.ts'

const LAB = join(runtime, 'small.yaml')
writeFileSync(
  LAB,
  `version: 1
id: small
title: A small lab
text: |
  Two **steps**.
start:
  - netns: { name: red }
steps:
  - id: bridge
    title: Make a bridge
    text: A switch.
    more: It learns *addresses*.
    operations:
      - bridge: { name: br9 }
    hints: [Think of a switch., "It is \`ip link add name br9 type bridge\`."]
    when:
      - { finding: bridge.br9, actual: there is no, text: You have made no bridge. }
    questions:
      - { ask: Is it up?, choices: [Yes, No], answer: 2, why: Links are born down., try: { argv: [ip, link, show, dev, br9] } }
  - id: up
    title: Bring it up
    text: Switch it on.
    operations:
      - up: { ifname: br9 }
    questions:
      - { ask: Does it carry packets now?, choices: [Yes, No], answer: 2, why: It is down., at: before }
learned: Bridges are switches.
`,
)
const progressFile = join(runtime, 'state', 'cnilab', 'labs', 'default.json')
const down = (n: number) => `${'\u001b[B'.repeat(n)}\r`
const [RUN, TYPE, HINT, MORE, SKIP, QUIT] = [down(0), down(1), down(2), down(3), down(4), down(5)]
const [YES, NO, NEXT] = [down(0), down(1), down(0)]
const KEEP_LATER = down(0)
const TEAR_DOWN_LATER = down(1)

/** Sends a signal to the tour. */
function signalRun(signal: NodeJS.Signals): void {
  for (const pid of processesWith(`lab\0run\0${LAB}`)) process.kill(Number(pid), signal)
}

/** Nothing of the sandbox is left. */
const nothingLeft = () => eventually(() => processesWith(`${runtime}/cnilab/`).length === 0)

afterEach(async () => {
  await removeSandboxes()
  await cli(['lab', 'stop'])
})

it('leads through a lab: run, question, type wrong and right, hint, more, summary, tear down', async () => {
  const { code, screen } = await onTerminal(`lab run ${LAB}`, [
    ['What now?', HINT],
    ['Hint 1 of 2', ''],
    ['What now?', MORE],
    ['It learns', ''],
    ['What now?', RUN],
    ['+ host: link br9 bridge down', ''],
    ['Your answer', YES],
    ['Not quite: No', ''],
    ['Done.', NEXT],
    ['Does it carry packets', ''],
    ['Your answer', NO],
    ['Right.', ''],
    ['What now?', TYPE],
    ['default, step up]', 'exit\r'],
    ['expected: br9 is up', ''],
    ['What now?', TYPE],
    ['default, step up]', 'ip link set br9 up\r'],
    ['default, step up]', 'exit\r'],
    ['That was the last step', NEXT],
    ['Bridges are switches.', ''],
    ['The network that you built', down(0)],
  ])
  expect(code).toBe(0)
  for (const text of [
    'ip netns add red', // the script
    '2 of 2 done',
    '1 of 2 right',
    '1 in bridge',
    'Run for you  bridge',
    'Torn down: nothing is left',
    '<BROADCAST,MULTICAST> mtu', // what the kernel said to the question
  ])
    expect(screen).toContain(text)
  expect([await nothingLeft(), existsSync(progressFile)]).toEqual([true, false])
})

it('is kept when the learner leaves, and goes on where it was, in `lab run` as in `lab start --resume`', async () => {
  const left = await onTerminal(`lab run ${LAB}`, [
    ['What now?', RUN],
    ['Your answer', NO],
    ['Done.', NEXT],
    ['Your answer', '\u0003'],
    ['The network that you built', KEEP_LATER],
  ])
  expect([left.code, left.screen.includes('Kept. Continue with: cnilab lab run')]).toEqual([130, true])
  expect((await cli(['exec', '--', 'ip', 'link', 'show', 'br9'])).code).toBe(0)
  expect((await cli(['lab', 'start', '--resume'])).stdout).toContain('Step 2 of 2: Bring it up')
  expect((await cli(['lab', 'start', LAB])).stderr).toContain('is already running here')
  expect((await onTerminal('lab run eight-steps')).screen).toContain('is already running here')
  const again = await onTerminal(`lab run ${LAB}`, [
    ['continuing where you were', ''],
    ['Your answer', YES],
    ['What now?', SKIP],
    ['The end of', ''],
    ['The network that you built', down(0)],
  ])
  expect(again.code).toBe(0)
  expect(again.screen).toContain('1 of 2 done')
  expect(await nothingLeft()).toBe(true)
})

it.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
  ['quit', QUIT],
])('%s offers to keep or tear down, and leaves nothing if it is torn down', async (_name, keys) => {
  const { code, screen } = await onTerminal(`lab run ${LAB}`, [
    ['What now?', keys],
    ['keep it, to continue later', TEAR_DOWN_LATER],
  ])
  expect([code, screen.includes('nothing is left')]).toEqual([130, true])
  expect([await nothingLeft(), existsSync(progressFile)]).toEqual([true, false])
})

it.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s, however often, takes nothing that was built', async (_name, keys) => {
  const { code, screen } = await onTerminal(`lab run ${LAB}`, [
    ['What now?', RUN],
    ['Your answer', NO],
    ['Done.', keys],
    ['keep it, to continue later', keys],
  ])
  expect([code, screen.includes('Kept.')]).toEqual([130, true])
  expect((await cli(['exec', '--', 'ip', 'link', 'show', 'br9'])).code).toBe(0)
})

it('what was built before the first step was done is there after a kill', async () => {
  const run = `"${process.execPath}" "${program}" lab run ${LAB}`
  await shellOnTerminal(`exec 3<&0; ${run} <&3 & wait $!`, [['What now?', () => signalRun('SIGKILL')]])
  expect((await cli(['exec', '--', 'ip', 'netns', 'list'])).stdout).toContain('red')
  expect((await cli(['lab', 'status'])).stdout).toContain('Make a bridge')
})

it('a signal, or a terminal that is closed, keeps the network; from the progress alone it can be built again', async () => {
  const run = `"${process.execPath}" "${program}" lab run ${LAB}`
  const start = onTerminal(`lab run ${LAB}`, [
    ['What now?', RUN],
    ['Your answer', YES],
    ['Done.', NEXT],
    ['Does it carry', '\u0003'],
    ['The network', KEEP_LATER],
  ])
  expect((await start).code).toBe(130)
  await removeSandboxes()
  const { code, screen } = await shellOnTerminal(`exec 3<&0; ${run} <&3 & wait $!`, [
    ['Your answer', () => signalRun('SIGHUP')],
  ])
  expect(screen).toContain('continuing where you were')
  expect([code, screen.includes('nothing is left')]).toEqual([130, false])
  expect((await cli(['exec', '--', 'ip', 'link', 'show', 'br9'])).code).toBe(0)
  await removeSandboxes()
  expect(await nothingLeft()).toBe(true)
  expect(readFileSync(progressFile, 'utf8')).toContain('"bridge"')
  expect((await cli(['lab', 'check'])).stderr).toContain('cnilab lab start --resume rebuilds it')
  const resumed = await cli(['lab', 'start', '--resume'])
  expect(resumed.stdout).toContain('br9 (bridge) down')
})

it.each([
  ['at a question', ['What now?', ''], 'What now?'],
  ['in the shell', ['What now?', TYPE], 'default, step bridge]'],
] as const)('a terminal that is closed %s leaves the network, and no process of the tour', async (_name, first, at) => {
  await onTerminal(`lab run ${LAB}`, [
    first,
    ...(at === first[0] ? [] : [[at, ''] as const]),
    ['', (close) => close(), 300],
  ])
  expect(await eventually(() => processesWith(`lab run ${LAB}`.split(' ').join('\0')).length === 0)).toBe(true)
  expect((await cli(['exec', '--', 'ip', 'netns', 'list'])).stdout).toContain('red')
  expect((await cli(['lab', 'start', '--resume'])).stdout).toContain('Step 1 of 2')
})

it('ends where the lab was ended in another terminal, and does not bring it back', async () => {
  const { code, screen } = await onTerminal(`lab run ${LAB}`, [
    ['What now?', () => cli(['exec', '--', 'cnilab', 'lab', 'stop']).then(() => SKIP)],
  ])
  expect([code, screen.includes('was ended in the meantime')]).toEqual([1, true])
  expect((await cli(['exec', '--', 'ip', 'netns', 'list'])).stdout).not.toContain('red')
  expect(existsSync(progressFile)).toBe(false)
})

it('does not ask again what was answered, nor lose what was there before it', async () => {
  await cli(['exec', '--', 'ip', 'netns', 'add', 'precious'])
  expect((await onTerminal(`lab run ${LAB}`)).screen).toContain('there is already a network here')
  expect((await cli(['exec', '--', 'ls', '/run/netns'])).stdout).toContain('precious')
  await removeSandboxes()
  await cli(['lab', 'start', LAB])
  const left = await onTerminal(`lab run ${LAB}`, [
    ['What now?', RUN],
    ['Your answer', NO],
    ['Done.', '\u0003'],
    ['The network', '\u0003'], // it was there before
  ])
  expect(left.screen).toContain('Kept.')
  const again = await onTerminal(`lab run ${LAB}`, [
    ['Does it carry packets', ''],
    ['Your answer', '\u0003'],
    ['The network', TEAR_DOWN_LATER],
  ])
  expect(again.screen).not.toContain('Is it up?')
})

it('does not wait for a closed input: all steps run by themselves', async () => {
  const { code, screen } = await shellOnTerminal(`exec "${process.execPath}" "${program}" lab run ${LAB} <&-`)
  expect([code, screen.includes('as with --auto'), screen.includes('nothing is left')]).toEqual([0, true, true])
})

it('goes on in a window that changes its size', async () => {
  const { command, resize } = inResizedWindow('cols 50 rows 20', `lab run ${LAB}`)
  const { code, screen } = await shellOnTerminal(command, [
    ['What now?', () => resize().then(() => MORE)],
    ['It learns', ''],
    ['What now?', '\u0003'],
    ['keep it, to continue later', TEAR_DOWN_LATER],
  ])
  expect([code, screen.includes('nothing is left')]).toEqual([130, true])
})

it('--plain has neither box characters nor signs, and NO_COLOR no colours, at 80 columns', async () => {
  const { code, screen } = await shellOnTerminal(
    `stty cols 80 rows 24; NO_COLOR=1 exec "${process.execPath}" "${program}" lab run ${LAB} --plain`,
    [
      ['What now?', '9\r'],
      ['What now?', '\u007f1\r'],
      ['Your answer', '2\r'],
      ['Done.', '2\r'],
      ['default, step bridge]', 'exit\r'],
      ['Done.', '1\r'],
      ['Your answer', '2\r'],
      ['What now?', '1\r'],
      ['That was the last', '1\r'],
      ['The network that', '1\r'],
    ],
  )
  expect(code).toBe(0)
  expect(screen).not.toMatch(/[─│├└✔✖❯▸·•]/u)
  // oxlint-disable-next-line no-control-regex -- colours are control sequences
  expect(screen).not.toMatch(/\u001b\[(3|4|9|10)\d(;\d+)*m/)
})
