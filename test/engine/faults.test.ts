import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { isLong } from '../long.ts'

const resultSchema = z.object({ faults: z.number(), wrong: z.array(z.string()) })

/** Runs fault-run.ts; on `machine` in namespaces of its own that play the machine. */
function faults(lab: string, mode: string, place: string): z.infer<typeof resultSchema> {
  const runtime = mkdtempSync(join(tmpdir(), 'cnilab-faults-'))
  const program = [process.execPath, join(import.meta.dirname, 'fault-run.ts'), lab, mode, place]
  const asMachine = ['unshare', '-Urnm', 'sh', '-c', 'mount -t tmpfs run /run && mkdir /run/netns && exec "$@"', 'sh']
  const [file = '', ...args] = place === 'machine' ? [...asMachine, ...program] : program
  try {
    const { stdout, stderr } = spawnSync(file, args, {
      encoding: 'utf8',
      // Each run begins sooner with the code that those before it compiled.
      env: { ...process.env, XDG_RUNTIME_DIR: runtime, NODE_COMPILE_CACHE: join(runtime, 'code') },
    })
    return resultSchema.parse(JSON.parse(stdout === '' ? JSON.stringify({ faults: 0, wrong: [stderr] }) : stdout))
  } finally {
    rmSync(runtime, { recursive: true, force: true })
  }
}

// As many faults as the labs have commands: a lab that grows must not lose any of them here.
describe.each([
  ['eight-steps', 16],
  ['scale', isLong ? 30 : 22],
])('%s, after a fault at any of its commands', (lab, commands) => {
  const ways: (readonly [mode: string, place: string])[] = [['error', 'sandbox']]
  // Each of those that are killed is a process of its own.
  if (isLong || lab === 'eight-steps') ways.push(['kill', 'machine'])
  if (isLong) ways.push(['error', 'machine'], ['kill', 'sandbox'])
  it.each(ways)(
    'undo leaves the kernel as it was (%s, %s)',
    (mode, place) => {
      const { faults: count, wrong } = faults(lab, mode, place)
      expect(wrong).toEqual([])
      expect(count).toBeGreaterThanOrEqual(commands)
    },
    300_000,
  )
})
