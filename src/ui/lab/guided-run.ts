import { machine } from '../../engine/open-host.ts'
import { resumeLab, stopLab } from '../../lab/run/reset.ts'
import { isNamed, requireLab, type RunningLab, startLab } from '../../lab/run/lab-in-progress.ts'
import { CnilabError } from '../../errors.ts'
import { readProgress } from '../../lab/run/progress.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { type OpenedSandbox, openTied } from '../../sandbox/open.ts'
import { removeSandbox } from '../../sandbox/remove.ts'
import type { Document } from '../terminal/base-command.ts'
import { askChoice } from '../terminal/prompts.ts'
import type { Log } from '../terminal/output.ts'
import { symbol, withSymbol, style } from '../terminal/style.ts'
import { showSummary } from './summary.ts'
import { takeTour, type TourEnd } from './tour.ts'
import { type View, viewOf } from '../terminal/view.ts'
import { interruptible } from '../terminal/interruptible.ts'
import { checkNow } from './checking.ts'
import { OPENING, whileWaiting } from '../terminal/waiting.ts'

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
      : await whileWaiting(OPENING, options.plain, openTied(options.sandbox))
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
    running = await whileWaiting('preparing the network', plain, openLab(opened, name, set))
  } catch (error) {
    if (live) await removeSandbox(live.sandbox)
    throw error
  }
  live?.keep() // from now on only the learner's own choice removes what they built
  const where = host.kind === 'machine' ? 'on this machine' : `in the sandbox '${host.name}'`
  log(style.quiet(`${where}; look at it from another terminal with: cnilab shell${view.flags}`))
  const end = await takeTour(running, view, signal)
  if (end === 'finished') await showSummary(running, await checkNow(running, view), view)
  const kept = keep || signal.aborted || (await askToKeep(end, view, signal))
  if (kept) {
    const go = end === 'finished' ? 'Look around with: cnilab shell' : `Continue with: cnilab lab run ${name}`
    log(withSymbol(symbol.done, `Kept. ${go}${view.flags}`, plain))
    log(`End it with: cnilab lab stop${view.flags}`)
  } else {
    const left = await whileWaiting('removing the network', plain, stopLab(host, host.name))
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
