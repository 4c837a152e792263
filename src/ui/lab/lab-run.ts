import { openSession, type Session, type Teardown } from '../../lab/run/automatic-session.ts'
import type { LabReport, StepReport } from '../../lab/run/automatic.ts'
import { flagsFor } from '../../kernel/host.ts'
import type { Lab } from '../../lab/format/lab.ts'
import type { Finding } from '../../plan/finding.ts'
import type { LiveSandbox } from '../../sandbox/create.ts'
import type { Document } from '../terminal/base-command.ts'
import { type ErrorDocument, formatError, show, toJson } from '../terminal/error.ts'
import type { Text } from '../terminal/drawn.ts'
import { type Log, printError } from '../terminal/output.ts'
import { duration, symbol, withSymbol, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import { interruptible } from '../terminal/interruptible.ts'
import { OPENING, whileWaiting } from '../terminal/waiting.ts'

/** What `lab run --json` prints. */
export interface LabRunDocument extends Document {
  lab: string
  sandbox: string
  ok: boolean
  steps: StepReport[]
  checks: Finding[]
  teardown: Teardown
  error?: ErrorDocument['error']
  ms: number
}

/** How to run and show a lab. */
export interface LabRunOptions {
  host: boolean
  keep: boolean
  /** The name of the lab, or the path of its file, and its `--set`. */
  lab: string
  set?: readonly string[] | undefined
  /** The sandbox for a lab that is kept. */
  sandbox: string
  json: boolean
  plain: boolean
  log: Log
}

/** Runs a lab in `sandbox`, or else where the options say, draws it, and tears it down in any case. */
export async function runLabHere(
  lab: Lab,
  options: LabRunOptions,
  sandbox?: Promise<LiveSandbox>,
): Promise<LabRunDocument> {
  return interruptible(async (signal) => {
    const drawing = options.json ? undefined : import('./lab-progress.ts') // loads while the sandbox is created
    const session = await whileWaiting(OPENING, options.plain, openSession(options, sandbox))
    return runIn(session, lab, options, signal, await drawing)
  })
}

async function runIn(
  session: Session,
  lab: Lab,
  { json, plain, log }: LabRunOptions,
  signal: AbortSignal,
  drawing?: typeof import('./lab-progress.ts'),
): Promise<LabRunDocument> {
  const started = performance.now()
  const { host } = session.kernel
  const where = host.kind === 'machine' ? 'on this machine' : `in the sandbox '${host.name}'`
  log(draw`${style.title(lab.title)} ${style.quiet(where)}`)
  const events = drawing?.drawLab(lab.steps.length, plain) ?? {}
  let report: LabReport | undefined
  let teardown: Teardown
  try {
    report = await session.run(lab, events, signal)
  } finally {
    teardown = await whileWaiting('removing the network', plain, session.tearDown(report ?? { steps: [], checks: [] }))
  }
  const ms = Math.round(performance.now() - started)
  const ok =
    report.error === undefined &&
    report.steps.every(({ status }) => status === 'done' || status === 'already') &&
    teardown.ok
  for (const line of endLines(report, teardown, ok, ms, flagsFor(host), plain)) log(line)
  // A last-moment Ctrl-C had nothing left to stop.
  process.exitCode = report.error?.exitCode ?? (signal.aborted ? 130 : ok ? 0 : 1)
  const shown = report.error && show(report.error)
  if (shown && !json) printError(formatError(shown))
  return {
    schema: 'cnilab/lab-run/v1',
    lab: lab.id,
    sandbox: host.name,
    ok,
    steps: report.steps,
    checks: report.checks,
    teardown,
    ...(shown === undefined ? {} : { error: toJson(shown) }),
    ms,
  }
}

function endLines(
  { steps, checks, error }: LabReport,
  teardown: Teardown,
  ok: boolean,
  ms: number,
  flags: string,
  plain: boolean,
): Text[] {
  const findings = [...steps.flatMap((step) => step.findings), ...checks]
  const passed = findings.filter((finding) => finding.passed === true).length
  const verdict = withSymbol(
    ok ? symbol.done : symbol.failed,
    `${passed} of ${findings.length} checks passed in ${duration(ms)}`,
    plain,
  )
  const end = teardown.kept
    ? [
        withSymbol(
          symbol.done,
          `Kept: cnilab lab status${flags} shows it, cnilab shell${flags} looks around, cnilab lab stop${flags} ends it`,
          plain,
        ),
      ]
    : teardown.left.length === 0
      ? [withSymbol(symbol.done, 'Torn down: nothing is left', plain)]
      : teardown.left.map((what) => withSymbol(symbol.failed, `still there: ${what}`, plain))
  return [...(error?.kind === 'interrupted' ? [] : [verdict]), ...end]
}
