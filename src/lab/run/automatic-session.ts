import { setTimeout as sleep } from 'node:timers/promises'
import { exclusively } from '../../journal/exclusively.ts'
import { readJournal } from '../../journal/journal.ts'
import type { Host } from '../../kernel/host.ts'
import { processesIn, startTime } from '../../kernel/processes.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import type { Lab } from '../format/lab.ts'
import type { LiveSandbox } from '../../sandbox/create.ts'
import { refuseBinds } from '../../sandbox/binds.ts'
import { ownSandbox } from '../../sandbox/find.ts'
import { findSandbox, openSandbox } from '../../sandbox/open.ts'
import { removeSandbox } from '../../sandbox/remove.ts'
import { machine } from '../../engine/open-host.ts'
import { type LabEvents, type LabReport, runLab } from './automatic.ts'
import { beginLab, noteSolved, refuseOccupied } from './lab-in-progress.ts'
import { stopLab } from './reset.ts'
import { undoEntries } from '../../engine/undo.ts'

/** Where to run a lab, and whether to keep its network. */
export interface SessionOptions {
  host: boolean
  keep: boolean
  /** The sandbox for a lab that is kept. */
  sandbox: string
  /** What a lab that is kept is recorded under: its name or the path of its file, and its `--set`. */
  lab: string
  set?: readonly string[] | undefined
  force?: boolean
}

/** What is left after the teardown, in words; `kept` if the lab was to be kept. */
export interface Teardown {
  ok: boolean
  left: string[]
  kept?: true
}

/** A host that is ready for a lab, and how to clear it. */
export interface Session {
  kernel: Kernel
  /** Does the lab; `tearDown` must follow. */
  run: (lab: Lab, events: LabEvents, signal: AbortSignal) => Promise<LabReport>
  /** Tears the lab down unless it is kept. Call it once, after `run`. */
  tearDown: (report: LabReport) => Promise<Teardown>
}

/**
 * Opens the host where a lab is to run: `own`, a sandbox that dies with this process; with `host` the machine; inside a
 * sandbox's shell that sandbox; else the named one. Throws CnilabError `state` if it already holds a network.
 */
export async function openSession(options: SessionOptions, own?: Promise<LiveSandbox>): Promise<Session> {
  if (own) return privateSession(await own)
  const here = options.host ? machine(options) : ownSandbox()
  if (here) return options.keep ? keptSession(here, options) : sessionOn(here)
  const { host, state } = await openSandbox(options.sandbox)
  return keptSession(host, options, state !== 'found')
}

function privateSession(live: LiveSandbox): Session {
  const kernel = kernelOf({ ...live.host, common: false })
  return {
    kernel,
    run: (lab, events, signal) => runLab(kernel, lab, events, signal),
    tearDown: async () => {
      await removeSandbox(live.sandbox)
      live.end()
      const { pid, netns } = live.sandbox
      // The sandbox's processes may outlive the first one by a moment.
      for (let i = 0; i < 200 && processesIn(netns).length > 0; i++) await sleep(5)
      const left = [
        ...(startTime(pid) === undefined ? [] : [`the sandbox's first process, ${pid}`]),
        ...processesIn(netns).map((process) => `process ${process} in the sandbox`),
      ]
      return { ok: left.length === 0, left }
    },
  }
}

/** A session on a host that outlives it: the journal says what to undo. */
function sessionOn(host: Host): Session {
  refuseBinds(host)
  const earlier = new Set(readJournal(host).map((entry) => entry.id))
  const kernel = kernelOf(host)
  return {
    kernel,
    run: (lab, events, signal) => runLab(kernel, lab, events, signal),
    tearDown: async () => {
      const { left, kept } = await undoEntries(
        kernel,
        readJournal(host).filter((entry) => !earlier.has(entry.id)),
      )
      return { ok: left.length === 0, left: [...left, ...kept.map((what) => `${what} (still in use)`)] }
    },
  }
}

/**
 * A session whose lab goes on running when it is over, as if it had been started and solved there; one that is interrupted
 * is stopped. `created`: the sandbox was created for it.
 */
function keptSession(host: Host, { lab: name, set = [] }: SessionOptions, created = false): Session {
  refuseBinds(host)
  refuseOccupied(host)
  const kernel = kernelOf(host)
  return {
    kernel,
    run: async (lab, events, signal) => {
      const running = await exclusively(host, () => {
        refuseOccupied(host) // of several that start at once, one does
        return Promise.resolve(beginLab(kernel, lab, name, set))
      })
      const report = await runLab(kernel, lab, events, signal)
      const isDone = (id: string) => report.steps.some((step) => step.id === id && /done|already/.test(step.status))
      if (report.error?.kind !== 'interrupted')
        await noteSolved(
          running,
          lab.steps.filter(({ id }) => isDone(id)),
        )
      return report
    },
    tearDown: async ({ error }) => {
      if (error?.kind !== 'interrupted') return { ok: true, left: [], kept: true }
      const left = await stopLab(host, host.name)
      const sandbox = created ? findSandbox(host.name) : undefined
      if (sandbox) await removeSandbox(sandbox)
      return { ok: left.length === 0, left }
    },
  }
}
