// A program for faults.test.ts: does a lab with a fault at the n-th command, for every n, and undoes it each time.
// Arguments: lab, `error` or `kill`, `sandbox` or `machine`; with `kill` it starts itself again as the process that dies.
import { spawnSync } from 'node:child_process'
import { doPlan } from '../../src/engine/do.ts'
import { loadLab } from '../../src/lab/run/load.ts'
import { undoEntries } from '../../src/engine/undo.ts'
import { readJournal } from '../../src/journal/journal.ts'
import { type Host, MACHINE } from '../../src/kernel/host.ts'
import { type Kernel, kernelOf } from '../../src/kernel/kernel.ts'
import { KernelError } from '../../src/kernel/run.ts'
import { createSandbox } from '../../src/sandbox/create.ts'
import { enter, listSandboxes } from '../../src/sandbox/find.ts'
import { removeSandbox } from '../../src/sandbox/remove.ts'
import { describe, diff } from '../../src/state/diff.ts'
import { isLong } from '../long.ts'

const [labName = '', mode = '', place = '', at] = process.argv.slice(2)
const lab = await loadLab(labName, labName === 'scale' ? [`containers=${isLong ? 3 : 2}`] : [])

/** A kernel whose n-th command fails, or kills this process, after the ones before it were run. */
function faultyAt(kernel: Kernel, n: number): Kernel {
  let count = 0
  return {
    ...kernel,
    run: async (commands, options) => {
      const left = n - 1 - count
      count += commands.length
      if (left < 0 || left >= commands.length) return kernel.run(commands, options)
      await kernel.run(commands.slice(0, left))
      if (mode === 'kill') process.kill(process.pid, 'SIGKILL')
      throw new KernelError('a fault that the test made', commands, commands[left])
    },
  }
}

/** Whether the whole lab was done without meeting the fault. */
async function doLab(kernel: Kernel): Promise<boolean> {
  try {
    for (const step of lab.steps) await doPlan(kernel, step.operations)
    return true
  } catch (error) {
    if (error instanceof KernelError) return false
    throw error
  }
}

async function main(host: Host): Promise<void> {
  if (at !== undefined) {
    await doLab(faultyAt(kernelOf(host), Number(at)))
    return
  }
  const kernel = kernelOf(host)
  const before = describe(await kernel.read())
  const wrong: string[] = []
  let n = 0
  for (let finished = false; !finished;) {
    n++
    finished =
      mode === 'error'
        ? await doLab(faultyAt(kernel, n))
        : spawnSync(process.execPath, [...process.argv.slice(1), String(n)], { stdio: 'inherit' }).status === 0
    const { left } = await undoEntries(kernel, readJournal(host))
    const { gone, added } = diff(before, describe(await kernel.read()))
    if (left.length + gone.length + added.length > 0) wrong.push(JSON.stringify({ n, left, gone, added }))
    if (readJournal(host).length > 0) wrong.push(`n=${n}: the journal is not empty`)
    if (wrong.length > 3) break
  }
  process.stdout.write(`${JSON.stringify({ faults: n - 1, wrong })}\n`)
}

if (place === 'machine') await main(MACHINE)
else if (at === undefined) {
  const live = await createSandbox('faults')
  try {
    await main(live.host)
  } finally {
    await removeSandbox(live.sandbox)
    live.end()
  }
} else {
  const [sandbox] = listSandboxes()
  if (sandbox) await main(enter(sandbox))
}
