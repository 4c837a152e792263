import { machine } from '../../engine/open-host.ts'
import { resumeLab, stopLab } from '../../lab/run/reset.ts'
import { checkRunning, isNamed, requireLab, type RunningLab, startLab } from '../../lab/run/lab-in-progress.ts'
import { CnilabError } from '../../errors.ts'
import { readProgress } from '../../lab/run/progress.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { type OpenedSandbox, openTied } from '../../sandbox/open.ts'
import { removeSandbox } from '../../sandbox/remove.ts'
import { toScript } from '../../plan/script.ts'
import { derive } from '../../operations/registry.ts'
import type { Document } from '../terminal/base-command.ts'
import { partsOf } from './lab-plan.ts'
import { markdown } from '../terminal/markdown.ts'
import { askChoice } from '../terminal/prompts.ts'
import { beside } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { duration, mark, marked, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import { takeTour, type TourEnd } from './tour.ts'
import { type View, viewOf } from '../terminal/view.ts'
import { interruptible } from '../terminal/interruptible.ts'

/** What came of a guided tour. */
export interface TourDocument extends Document {
  lab: string
  sandbox: string
  end: TourEnd
  kept: boolean
}

/** How a lab is to be toured. */
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
 * Leads somebody on a terminal through a lab, in the sandbox that `sandbox` names. A lab that was begun there goes on
 * where it was. At the end it is torn down, or kept if the learner wants that.
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
  const where = host.kind === 'machine' ? 'on this machine' : `in the sandbox '${host.name}'`
  log(style.quiet(`${where}; look at it from another terminal with: cnilab shell${view.flags}`))
  const end = await takeTour(running, view, signal)
  if (end === 'finished') await showSummary(running, view)
  // Who leaves without an answer gets back what was there before.
  const kept = keep || (!signal.aborted && ((await askToKeep(end, view, signal)) ?? opened.state === 'found'))
  if (kept) {
    live?.keep()
    log(marked(mark.done, `Kept. Go on with: cnilab lab run ${name}${view.flags}`, plain))
    log(`End it with: cnilab lab stop${view.flags}`)
  } else if (signal.aborted) {
    // Nobody was asked: what was reached is remembered, and can be built again.
    log(`Stopped. Go on with: cnilab lab run ${name}${view.flags}`)
  } else {
    const left = await stopLab(host, host.name)
    for (const what of left) log(marked(mark.failed, `still there: ${what}`, plain))
    if (left.length === 0) log(marked(mark.done, 'Torn down: nothing is left', plain))
  }
  if (live && !kept && signal.aborted) await removeSandbox(live.sandbox)
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
    throw new CnilabError('state', `the lab ${name} was begun here already, and --set comes too late`, {
      fix: 'cnilab lab stop, or --sandbox with another name',
    })
  await resumeLab(running)
  return running
}

/** Undefined for somebody who leaves without an answer. */
function askToKeep(end: TourEnd, { plain, flags }: View, signal: AbortSignal): Promise<boolean | undefined> {
  const keep = {
    name: end === 'finished' ? `keep it, to look around (cnilab shell${flags})` : 'keep it, to go on later',
    value: true,
  }
  const tearDown = { name: 'tear it down', value: false }
  const choices = end === 'finished' ? [tearDown, keep] : [keep, tearDown]
  return askChoice('The network that you built:', choices, { plain, signal })
}

/** What was learned, the checks, the script of all commands, how long it took, and which hints were used. */
async function showSummary(running: RunningLab, { plain, log }: View): Promise<void> {
  const { lab, progress } = running
  const { findings, steps } = await checkRunning(running)
  const passed = findings.filter((finding) => finding.passed === true).length
  log(draw`\n${style.title(`The end of: ${lab.title}`)}`)
  if (lab.learned !== undefined) log(markdown(lab.learned, plain))
  const parts = partsOf(lab).map(({ title, operations }) => ({
    title,
    commands: operations.flatMap((operation) => derive(operation).apply),
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
    ['Time', `${duration(Date.now() - Date.parse(progress.started))} since you began`],
  ]
  for (const [label = '', text = ''] of rows) log(beside(label.padEnd(13), text))
}
