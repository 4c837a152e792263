import { expect, it } from 'vitest'
import { cli, onTerminal } from '../helpers.ts'

const down = (n: number) => `${'\u001b[B'.repeat(n)}\r`

it('leads to a command, shows it, and runs it', async () => {
  const { code, screen } = await onTerminal('', [
    ['What would you like to do?', down(3)],
    ['Which?', down(3)],
  ])
  expect(code).toBe(0)
  expect(screen).toContain('cnilab sandbox list')
  expect(screen).toContain('no sandbox')
})

it('lets the words be changed first', async () => {
  const { code, screen } = await onTerminal('', [
    ['What would you like to do?', down(1)],
    ['Which?', down(0)],
    ['Change it if you like', '\u007f\u007f\u007fblue\r'],
  ])
  expect([code, screen.includes('ip netns add blue')]).toEqual([0, true])
})

it.each([
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s leaves it, and nothing is run', async (_name, keys) => {
  const { code, screen } = await onTerminal('', [['What would you like to do?', keys]])
  expect([code, screen.includes('$ ')]).toEqual([0, false])
})

it('is no menu where there is no terminal: the help is printed', async () => {
  const { code, stdout } = await cli([])
  expect([code, stdout.includes('COMMANDS')]).toEqual([0, true])
})

it('shows a step from what the build wrote as the command itself does', async () => {
  for (const step of ['netns', '3', 'up', 'masquerade'])
    expect((await cli(['step', '--show', step])).stdout).toBe((await cli(['step', step, '--show', '--plain'])).stdout)
  expect((await cli(['step', '--show', 'nosuch'])).code).toBe(2)
  // Where another lab runs, its steps are meant.
  await cli(['clean'])
  await cli(['lab', 'start', 'two-namespaces'])
  expect((await cli(['step', '--show', '1'])).stdout).toContain('Step 1 of 8: Create two')
  await cli(['lab', 'stop'])
})
