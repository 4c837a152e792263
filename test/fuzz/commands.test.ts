import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll } from 'vitest'
import { kernelOf } from '../../src/kernel/kernel.ts'
import { createSandbox, type LiveSandbox } from '../../src/sandbox/create.ts'
import { cli } from '../helpers.ts'
import { commandLines, ids, makeGiven } from './command-lines.ts'
import { type Driver, driverIn } from './drive.ts'
import { fuzz } from './fuzz.ts'
import { judgeCommand } from './judge-command.ts'

let live: LiveSandbox
let driver: Driver
const given = mkdtempSync(join(tmpdir(), 'cnilab-fuzz-'))
beforeAll(async () => {
  makeGiven(given)
  live = await createSandbox('default')
  makeGiven(live.host.batches.folder)
  driver = driverIn(kernelOf(live.host))
})
afterAll(() => {
  driver.end()
  live.end()
  rmSync(given, { recursive: true, force: true })
})

/** What lasts longer than a case may, would install programs, or needs a terminal. */
const LEFT_OUT = ['doctor', 'cni:conformance', 'lab:watch']

fuzz(
  'commands end with a word and a documented exit code, and change nothing where they refuse',
  14,
  fc.array(
    commandLines(
      ids.filter((id) => !LEFT_OUT.includes(id)),
      '/opt/cnilab/given',
    ),
    { minLength: 1, maxLength: 4 },
  ),
  async (lines) => {
    const outcomes = await driver.run(lines.map((argv) => ({ argv })))
    return outcomes.map((outcome, i) => judgeCommand(lines[i] ?? [], outcome)).join(', ')
  },
)

/** What acts in sandboxes alone. */
const SAFE = /^(attach|bridge|clean|ip|lab|masquerade|netns|route|sandbox|step|up|veth|exec)\b/

fuzz(
  'the same for processes of their own, from outside of a sandbox',
  6,
  commandLines(
    ids.filter((id) => SAFE.test(id)),
    given,
  ).filter((argv) => SAFE.test(argv[0] ?? '') && !argv.some((word) => word.startsWith('--ho'))),
  async (argv) => judgeCommand(argv, { ...(await run(argv)), changed: false }),
)

async function run(argv: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await cli(argv)
  return { code: code ?? -1, stdout, stderr }
}
