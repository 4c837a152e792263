import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cli, eventually, processesWith, runtime } from '../../helpers.ts'
import { isLong } from '../../long.ts'

/** A run of a lab whose only step has this command. */
async function runOf(argv: readonly string[]) {
  const file = join(runtime, 'lab.yaml')
  const step = { id: 'a', title: 'A', text: 't', operations: [{ netns: { name: 'red' } }], run: [{ argv }] }
  writeFileSync(file, JSON.stringify({ version: 1, id: 'l', title: 'L', text: 't', steps: [step] }))
  return cli(['lab', 'run', file, '--auto'])
}

it('a command of a lab that prints without an end is stopped, which is told; the lab goes on', async () => {
  const { code, stdout } = await runOf(['yes', '4716'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('(yes 4716 printed more than 100 kB)')])
  expect(stdout.length).toBeLessThan(300_000)
  expect(await eventually(() => processesWith('4716').length === 0)).toBe(true)
})

it('one that prints no more than it may is shown whole', async () => {
  const { code, stdout } = await runOf(['sh', '-c', 'yes | head -c 102400'])
  expect([code, stdout.match(/\by$/gm)?.length]).toEqual([0, 51_200])
  expect(stdout).not.toContain('printed more')
})

it('what one leaves in the background keeps nobody', async () => {
  const { code, stdout } = await runOf(['sh', '-c', 'sleep 4717 & echo done'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('done')])
  expect(stdout).not.toContain('took longer')
  expect(await eventually(() => processesWith('sleep\x004717').length === 0)).toBe(true)
})

it.runIf(isLong)('one that does not end is stopped after ten seconds, with what it started', async () => {
  const { code, stdout } = await runOf(['sh', '-c', 'echo begun; sleep 4718; :'])
  expect([code, stdout]).toEqual([0, expect.stringMatching(/begun.*\(sh -c .* took longer than 10 s\)/s)])
  expect(await eventually(() => processesWith('sleep\x004718').length === 0)).toBe(true)
})
