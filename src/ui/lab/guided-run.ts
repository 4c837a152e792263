import { machine } from '../../engine/open-host.ts'
import { resumeLab, stopLab } from '../../lab/run/reset.ts'
import { checkRunning, isNamed, requireLab, type RunningLab, startLab } from '../../lab/run/lab-in-progress.ts'
import { CnilabError } from '../../errors.ts'
import { readProgress } from '../../lab/run/progress.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { type OpenedSandbox, openTied } from '../../sandbox/open.ts'
import { removeSandbox } from '../../sandbox/remove.ts'
import { toScript } from '../../plan/script.ts'
import { bindOperation } from '../../operations/registry.ts'
import type { Document } from '../terminal/base-command.ts'
import { partsOf } from './lab-plan.ts'
import { markdown } from '../terminal/markdown.ts'
import { askChoice } from '../terminal/prompts.ts'
import { labelled } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { duration, symbol, withSymbol, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import { takeTour, type TourEnd } from './tour.ts'
import { type View, viewOf } from '../terminal/view.ts'
import { interruptible } from '../terminal/interruptible.ts'

/** The outcome of a guided tour. */
export interface TourDocument extends Document {
  lab: string
  sandbox: string
  end: TourEnd
  kept: boolean
}

/** Options of a guided tour. */
export interface TourOptions {
  host: boolean
  sandbox: string
  force?: boolean
  set?: string[] | undefined
  keep: boolean
  plain: boolean
  log: Log
}

/**
 * Guides the learner on a terminal through a lab, in the sandbox called `sandbox`. Continues a lab that is in progress there.
 * At the end it is torn down, or kept if the learner wants that.
 */
export async function guideThrough(name: string, options: TourOptions): Promise<TourDocument> {
  return interruptible(async (signal) => {
    const opened: OpenedSandbox = options.host
      ? { host: machine(options), state: 'found' }
      : await openTied(options.sandbox)
    try {
      return await guideIn(opened, name, options, signal)
    } finally {
      opened.live?.end() // unless it was kept
    }
  })
}

async function guideIn(
  opened: OpenedSandbox,
  name: string,
  { set = [], keep, plain, log }: TourOptions,
  signal: AbortSignal,
): Promise<TourDocument> {
  const { host, live } = opened
  const view = viewOf(host, plain, log)
  let running: RunningLab
  try {
    running = await openLab(opened, name, set)
  } catch (error) {
    if (live) await removeSandbox(live.sandbox)
    throw error
  }
  live?.keep() // from now on only the learner's own choice removes what they built
  const where = host.kind === 'machine' ? 'on this machine' : `in the sandbox '${host.name}'`
  log(style.quiet(`${where}; look at it from another terminal with: cnilab shell${view.flags}`))
  const end = await takeTour(running, view, signal)
  if (end === 'finished') await showSummary(running, view)
  const kept = keep || signal.aborted || (await askToKeep(end, view, signal))
  if (kept) {
    log(withSymbol(symbol.done, `Kept. Continue with: cnilab lab run ${name}${view.flags}`, plain))
    log(`End it with: cnilab lab stop${view.flags}`)
  } else {
    const left = await stopLab(host, host.name)
    for (const what of left) log(withSymbol(symbol.failed, `still there: ${what}`, plain))
    if (left.length === 0) log(withSymbol(symbol.done, 'Torn down: nothing is left', plain))
  }
  if (end !== 'finished') process.exitCode = 130
  return { schema: 'cnilab/lab-tour/v1', lab: running.lab.id, sandbox: host.name, end, kept }
}

async function openLab({ host }: OpenedSandbox, name: string, set: readonly string[]): Promise<RunningLab> {
  const kernel = kernelOf(host)
  const progress = readProgress(host)
  if (!progress) return startLab(kernel, name, set)
  const running = await requireLab(kernel)
  if (!isNamed(running, name)) return startLab(kernel, name, set) // which says what runs here
  if (set.length > 0)
    throw new CnilabError('state', `the lab ${name} is already in progress here, so it is too late for --set`, {
      fix: 'cnilab lab stop, or --sandbox with another name',
    })
  await resumeLab(running)
  return running
}

/** Asks whether to keep the network; undefined if the learner leaves without an answer. */
async function askToKeep(end: TourEnd, { plain, flags }: View, signal: AbortSignal): Promise<boolean> {
  const keep = {
    name: end === 'finished' ? `keep it, to look around (cnilab shell${flags})` : 'keep it, to continue later',
    value: true,
  }
  const tearDown = { name: 'tear it down', value: false }
  const choices = end === 'finished' ? [tearDown, keep] : [keep, tearDown]
  return (await askChoice('The network that you built:', choices, { plain, signal })) ?? true
}

/** Shows what was learned, a script of all commands, the checks, the hints that were used, and how long it took. */
async function showSummary(running: RunningLab, { plain, log }: View): Promise<void> {
  const { lab, progress } = running
  const { findings, steps } = await checkRunning(running)
  const passed = findings.filter((finding) => finding.passed === true).length
  log(draw`\n${style.title(`The end of: ${lab.title}`)}`)
  if (lab.learned !== undefined) log(markdown(lab.learned, plain))
  const parts = partsOf(lab).map(({ title, operations }) => ({
    title,
    commands: operations.flatMap((operation) => bindOperation(operation).apply),
  }))
  log(draw`\n${style.title('All of it as a script')}\n${style.command(toScript(lab.title, parts).trimEnd())}\n`)
  const own = lab.steps.flatMap(({ id }) => progress.steps[id] ?? [])
  const answers = own.flatMap((step) => Object.values(step.answers))
  const hints = lab.steps.flatMap(({ id }) => {
    const used = progress.steps[id]?.hints ?? 0
    return used === 0 ? [] : `${used} in ${id}`
  })
  const solved = lab.steps.filter(({ id }) => progress.steps[id]?.solved === true).map(({ id }) => id)
  const rows = [
    ['Steps', `${steps.filter(({ status }) => status === 'done').length} of ${steps.length} done`],
    ['Checks', `${passed} of ${findings.length} passed`],
    ...(answers.length === 0 ? [] : [['Questions', `${answers.filter(Boolean).length} of ${answers.length} right`]]),
    ['Hints', hints.length === 0 ? 'none' : hints.join(', ')],
    ['Run for you', solved.length === 0 ? 'none' : solved.join(', ')],
    ['Time', `${duration(Date.now() - Date.parse(progress.started))} since you started`],
  ]
  for (const [label = '', text = ''] of rows) log(labelled(label.padEnd(13), text))
}
