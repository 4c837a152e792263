import { afterEach, expect, it } from 'vitest'
import {
  cli,
  eventually,
  inResizedWindow,
  processesWith,
  program,
  removeSandboxes,
  runtime,
  shellOnTerminal,
} from '../helpers.ts'

afterEach(async () => {
  await removeSandboxes()
  await cli(['lab', 'stop'])
})

const watching = (typed: Parameters<typeof shellOnTerminal>[1]) =>
  shellOnTerminal(`NO_COLOR=1 exec "${process.execPath}" "${program}" lab watch`, typed)
const KEYS = 'q quit'
const monitors = () => processesWith('monitor').filter((pid) => processesWith(runtime).includes(pid))

it('shows a change that was typed in another terminal when it happens, not at the next slow look', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  let typed = 0
  let shown = 0
  const { code, screen } = await watching([
    [
      KEYS,
      () => {
        void cli(['exec', '--', 'sh', '-c', 'ip netns add red; date +%s%3N']).then(
          ({ stdout }) => (typed = Number(stdout)),
        )
      },
      1500,
    ],
    ['✔ netns', () => void (shown = Date.now())],
    ['Step 2', 'q', 500],
  ])
  expect(code).toBe(0)
  expect(screen).toContain('▸ bridge')
  expect(shown - typed).toBeLessThan(4500)
  expect(await eventually(() => monitors().length === 0)).toBe(true)
})

it('has a key for everything: hint, check, next, list, solve, reset, quit', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { code, screen } = await watching([
    [KEYS, 'h'],
    ['Hint 1 of', 'c'],
    ['0 of 8 steps done, 1 check failed', 'n'],
    ['Step 1 of 8', 'l'],
    ['8 masquerade', 's'],
    ['$ ip netns add red', ''],
    ['Run it?', 'y'],
    ['✔ netns', 's'],
    ['Run it?', 'n'],
    [KEYS, 'r'],
    ['Rebuild the state at the start of step bridge', 'y'],
    [KEYS, '\u0003', 1500],
  ])
  expect(code).toBe(0)
  expect(screen).not.toContain('✔ bridge')
  expect((await cli(['exec', '--', 'ls', '/run/netns'])).stdout).toContain('red')
})

it('fits a window that changes its size', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { command, resize } = inResizedWindow('cols 60 rows 18', 'lab watch')
  const { code, screen } = await shellOnTerminal(command, [
    [KEYS, () => resize().then(() => 'l')],
    ['more than fits here', 'q'],
  ])
  expect([code, screen.includes('more than fits here')]).toEqual([0, true])
})

it('tells that the lab was ended in another terminal', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { screen } = await watching([
    [KEYS, () => void cli(['exec', '--', 'cnilab', 'lab', 'stop']), 1000],
    ['was ended in the meantime', 'q'],
  ])
  expect(screen).toContain('was ended in the meantime')
  expect((await cli(['lab', 'status'])).code).toBe(1)
})

it('needs a terminal, and names what needs none', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { code, stderr } = await cli(['lab', 'watch'])
  expect([code, stderr.includes('cnilab lab check')]).toEqual([2, true])
})

it('says so when the sandbox ends meanwhile, and ends with q', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { code, screen } = await watching([
    [KEYS, () => void removeSandboxes(), 1000],
    ['Error:', 'q', 500],
  ])
  expect([code, screen.includes('Error:')]).toEqual([0, true])
})
