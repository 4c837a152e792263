import { currentStep, type StepState } from '../../lab/run/check.ts'
import type { StepResult } from '../../lab/run/steps.ts'
import type { RunningLab } from '../../lab/run/lab-in-progress.ts'
import { stepProgress } from '../../lab/run/progress.ts'
import { hidesSolution, type Lab, type LabStep } from '../../lab/format/lab.ts'
import { bindOperation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import type { Finding } from '../../plan/finding.ts'
import { diff, summarize } from '../../state/diff.ts'
import type { Document } from '../terminal/base-command.ts'

/** What `step --json` prints: the map, or one step. */
export interface StepDocument extends Document {
  lab: string
  sandbox?: string
  steps?: { id: string; number: number; title: string; status: StepState['status'] }[]
  step?: {
    id: string
    title: string
    status: 'done' | 'already' | 'shown' | 'undone'
    commands: string[]
    /** What changed in the kernel, in the lines of `summarize`. */
    changed: { gone: string[]; added: string[] }
    findings: Finding[]
    /** What was wrong before, and rules of others that are in the way, in words. */
    wrong?: string[]
    inTheWay?: string[]
  }
}

const schema = 'cnilab/step/v1'

/** The document of the map. */
export function mapDocument(lab: Lab, states: readonly StepState[], sandbox: string): StepDocument {
  const steps = states.map(({ step: { id, title }, number, status }) => ({ id, number, title, status }))
  return { schema, lab: lab.id, sandbox, steps }
}

/** What `lab status --json` prints. */
export interface StatusDocument extends Document {
  lab: string
  sandbox: string
  /** When it was started (ISO 8601). */
  started: string
  steps: {
    id: string
    number: number
    title: string
    status: StepState['status']
    solved: boolean
    gaveUp: boolean
    hints: number
  }[]
  /** The current task, in Markdown. */
  task?: { id: string; title: string; text: string }
}

/** The document of the progress in a lab. */
export function statusDocument({ lab, progress, kernel }: RunningLab, steps: readonly StepState[]): StatusDocument {
  const next = currentStep({ steps })
  return {
    schema: 'cnilab/lab-status/v1',
    lab: lab.id,
    sandbox: kernel.host.name,
    started: progress.started,
    steps: steps.map(({ step: { id, title }, number, status }) => {
      const { solved, gaveUp, hints } = stepProgress(progress, id)
      return { id, number, title, status, solved, gaveUp, hints }
    }),
    ...(next ? { task: { id: next.id, title: next.title, text: next.text } } : {}),
  }
}

/** The document of one step. Without a result, it says what the step would run. */
export function stepDocument(
  lab: Lab,
  step: LabStep,
  status: 'done' | 'already' | 'shown' | 'undone',
  sandbox?: string,
  result?: Pick<StepResult, 'commands' | 'before' | 'after' | 'findings'> &
    Partial<Pick<StepResult, 'wrong' | 'inTheWay'>>,
): StepDocument {
  // The learner has to find out how to do a free step.
  const solution = hidesSolution(lab, step) ? [] : step.operations
  const commands = result?.commands ?? solution.flatMap((operation) => bindOperation(operation).apply)
  return {
    schema,
    lab: lab.id,
    ...(sandbox === undefined ? {} : { sandbox }),
    step: {
      id: step.id,
      title: step.title,
      status,
      commands: commands.map((command) => toLine(command, '1')),
      changed: result ? diff(summarize(result.before), summarize(result.after)) : { gone: [], added: [] },
      findings: result?.findings ?? [],
      ...(result?.wrong ? { wrong: result.wrong } : {}),
      ...(result?.inTheWay ? { inTheWay: result.inTheWay.map(({ wrong }) => wrong) } : {}),
    },
  }
}
