import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cli, eventually, removeSandboxes, runtime } from '../helpers.ts'
import { isLong } from '../long.ts'

let holder: ChildProcess | undefined

afterEach(async () => {
  holder?.kill('SIGKILL')
  await removeSandboxes()
})

/** Has a process of ours hold the lock of the folder of all sandboxes. Returns its pid, once it has it. */
async function held(): Promise<number> {
  const folder = join(runtime, 'cnilab')
  // What the last test's sandbox left goes a moment later; flock would then make a file in the folder's place.
  await eventually(() => !existsSync(folder))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  // exec: flock itself holds it, so that nothing else is left when it is killed.
  holder = spawn('flock', ['--no-fork', '-x', folder, 'sh', '-c', 'echo; exec sleep 100'])
  await new Promise((resolve) => holder?.stdout?.once('data', resolve))
  return holder.pid ?? 0
}

it('that another process holds is waited for, and told', async () => {
  const pid = await held()
  const { code, stderr } = await cli(['netns', 'create', 'red'], '', () =>
    setTimeout(() => holder?.kill('SIGKILL'), 3000),
  )
  expect([code, stderr]).toEqual([
    0,
    `waiting for ${runtime}/cnilab: process ${pid} is using it\nsandbox 'default' started · cnilab clean removes it\n`,
  ])
})

it('that others hold for a moment only is waited for without a word', async () => {
  expect((await cli(['netns', 'list'])).code).toBe(0)
  const pid = await held()
  // Whoever finds the sandbox needs no lock of the folder.
  expect(await cli(['netns', 'create', 'red'])).toMatchObject({ code: 0, stderr: '' })
  expect(pid).toBeGreaterThan(0)
})

it('Ctrl-C ends the waiting', async () => {
  await held()
  const { code } = await cli(['netns', 'list'], '', (kill) => setTimeout(() => kill('SIGINT'), 2000))
  expect(code).toBe(130)
})

it.runIf(isLong)(
  'that is held for more than a minute is given up, with who has it',
  async () => {
    const pid = await held()
    const { code, stderr } = await cli(['netns', 'list'])
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`process ${pid} has been using ${runtime}/cnilab for more than a minute`),
    ])
  },
  100_000,
)
