import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import type { LabStep } from '../../../src/lab/format/lab.ts'
import { labNames, loadLab } from '../../../src/lab/run/load.ts'
import { beginLab, checkRunning, doRunning, planFor, type RunningLab } from '../../../src/lab/run/lab-in-progress.ts'
import { resetLab } from '../../../src/lab/run/reset.ts'
import { missingSteps, preview, type StepOptions } from '../../../src/lab/run/steps.ts'
import type { Command } from '../../../src/operations/operation.ts'
import { toLine } from '../../../src/plan/command-line.ts'
import { NOT_TRIED } from '../../../src/plan/finding.ts'
import { withSandbox } from '../../helpers.ts'
import { some } from '../../long.ts'
import { foreignRules, wrongStates } from '../wrong-states.ts'

const LABS = labNames().filter((name) => name !== 'scale')

const toLines = (commands: readonly Command[]) => commands.map((command) => toLine(command, '1'))

/** Begins a lab in a sandbox of its own, and goes to the start of each step in turn. */
function atSteps(
  name: string,
  visit: (running: RunningLab, step: LabStep, i: number, restart: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  return withSandbox(async (kernel) => {
    const lab = await loadLab(name)
    const running = beginLab(kernel, lab, name, [])
    for (const [i, step] of lab.steps.entries())
      await visit(running, step, i, async () => {
        await resetLab(running, step)
        await checkRunning(running)
      })
  })
}

const inShell = (kernel: Kernel, shell: string) => kernel.probe(['sh', '-c', shell])

async function solve(running: RunningLab, step: LabStep, options?: StepOptions) {
  const before = await checkRunning(running)
  const first = missingSteps(running.lab, step, before)
  const planned = await preview(running.kernel, planFor(running, step, first, before))
  const result = await doRunning(running, step, first, before, options)
  const { lab } = running
  const { findings } = await checkRunning(running, true, step)
  const failed = findings.filter(
    (one) =>
      one.passed !== true &&
      !one.actual.startsWith(NOT_TRIED) &&
      lab.steps.findIndex(({ id }) => id === one.step) <= lab.steps.indexOf(step),
  )
  return {
    result,
    planned: toLines([...planned.corrections, ...planned.steps.flatMap(({ commands }) => commands)]),
    failed: failed.map(({ id, passed, actual }) => ({ id, passed, actual })),
  }
}

describe.each(LABS)('%s', (name) => {
  it('from any wrong state before a step, it is brought to the right one, by the commands that are shown before', async () => {
    const lab = await loadLab(name)
    const all = lab.steps.flatMap((step, i) => wrongStates(lab, i).map((row) => ({ step: step.id, ...row })))
    const rows = some(all, 43)
    expect(rows.length).toBeGreaterThan(0)
    const wrong: unknown[] = []
    await atSteps(name, async (running, step, _, restart) => {
      for (const { name: state, shell } of rows.filter((row) => row.step === step.id)) {
        await restart()
        await inShell(running.kernel, shell)
        try {
          const { result, planned, failed } = await solve(running, step)
          const unknown = planned.filter((line) => !toLines(result.commands).includes(line))
          if (failed.length + unknown.length > 0) wrong.push({ step: step.id, state, failed, unknown })
        } catch (error) {
          wrong.push({ step: step.id, state, error: String(error) })
        }
      }
    })
    expect(wrong).toEqual([])
  }, 3_600_000)

  it.runIf(some(LABS, 8).includes(name))(
    'rules of others that drop packets are named, and stay until one agrees',
    async () => {
      await atSteps(name, async (running, step, _, restart) => {
        const { kernel, lab } = running
        const last = lab.steps.findLast(({ checks }) => checks.some(({ claim, not }) => claim.kind === 'ping' && !not))
        if (step !== last) return
        await restart()
        const { steps } = await checkRunning(running)
        await inShell(kernel, foreignRules([...(await kernel.read()).keys()]))
        expect(steps.find((one) => one.step === step)?.status).toBe('next')
        const refused = await solve(running, step)
        expect(refused.failed).not.toEqual([])
        const named = refused.result.inTheWay.map(({ wrong }) => wrong)
        expect(named).toEqual(
          expect.arrayContaining([
            'on the host, table inet guard, chain forward: ip protocol icmp drop',
            'on the host, table inet guard, chain input: policy drop',
          ]),
        )
        const agreed = await solve(running, step, { removeForeign: true })
        expect([agreed.failed, agreed.result.inTheWay]).toEqual([[], []])
        expect((await kernel.probe(['nft', 'list', 'ruleset'])).stdout).not.toMatch(/drop/)
      })
    },
    120_000,
  )
})
