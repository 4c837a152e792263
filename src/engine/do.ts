import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { appendJournal, endEntries, readJournal } from '../journal/journal.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { KernelError, type Progress } from '../kernel/run.ts'
import { type Command, type CommandLine, readResource, type Resource, type Verdict } from '../operations/operation.ts'
import { type Derived, derive, marked, type Operation } from '../operations/registry.ts'
import { quote, toLine } from '../plan/command-line.ts'
import { foresee } from '../plan/foresee.ts'
import { scopeOf } from '../plan/scope.ts'
import { findLink, HOST, type State } from '../state/state.ts'
import { withFirst } from './first.ts'
import { guardOf, refuseToCutOff } from './guard.ts'
import { fileOf, linkOf } from './marks.ts'
import { mendingOf } from './mending.ts'
import { ownerOf } from './owner.ts'
import { undoExclusively } from './undo.ts'
import { MissingError, withWhereabouts } from './whereabouts.ts'

/** What became of one operation. */
interface Done {
  operation: Derived
  /** `mended`: something else was in its place. */
  status: 'done' | 'mended' | 'already'
  /** The commands that it took. */
  commands: readonly Command[]
}

/** What came of doing a plan: each operation's fate, and the milliseconds that applying them took. */
export interface DoResult {
  done: Done[]
  ms: number
}

/** What the caller of `doPlan` knows already. */
export interface Known {
  /** The state, if it was read just now. */
  now?: State | undefined
  /** What was provided since `now` was read. */
  provided?: ReadonlySet<Resource>
  /** Stops between two batches. */
  signal?: AbortSignal
  /** Is told how many of the commands are done. */
  progress?: Progress | undefined
  /** What is in the way is changed or removed, if it is ours to change. */
  mend?: boolean
  /** The attachment for which it is done, for the journal: `network/container/interface`. */
  owner?: string | undefined
}

/**
 * Does a plan: reads the kernel, adopts what is there already, writes down what it is about to do, and does it.
 * Throws CnilabError `state` before anything is touched if something else is in the way or something needed is missing,
 * and KernelError if the kernel refuses, after everything that this call did was taken back.
 */
export async function doPlan(kernel: Kernel, plan: readonly Operation[], known: Known = {}): Promise<DoResult> {
  try {
    return await exclusively(kernel.host, () => doExclusively(kernel, plan, known))
  } catch (error) {
    throw await withWhereabouts(kernel, error)
  }
}

/** What a plan comes to in a state: how that stands to each operation, and the commands for what has to be done. */
interface Prepared {
  judged: readonly { operation: Derived; verdict: Verdict }[]
  todo: Map<Derived, readonly Command[]>
}

/** A plan as it is done on a host, and the state of that. */
export async function readFor(
  kernel: Kernel,
  plan: readonly Operation[],
  known: Known = {},
): Promise<{ operations: readonly Derived[]; now: State }> {
  const { host } = kernel
  const wanted = (host.kind === 'machine' ? plan.map(marked) : plan).map(derive)
  // What was read before the lock was taken may be out of date where others act, too.
  const before = (host.common ? undefined : known.now) ?? (await kernel.read(scopeOf(wanted)))
  return withFirst(wanted, before, (all) => kernel.read(scopeOf(all)))
}

/** Finds out what a plan comes to; changes nothing. Throws CnilabError `state` as `doPlan` does. */
export function prepare(host: Host, operations: readonly Derived[], now: State, known: Known): Prepared {
  const judged = operations.map((operation) => ({ operation, verdict: operation.judge(now) }))
  const isOurs = host.kind === 'machine' ? ownership(host) : undefined
  const todo = choose(host, judged, now, {
    isOurs,
    provided: known.provided,
    ...(known.mend === true ? { mend: (operation: Derived, state: State) => mendingOf(host, operation, state) } : {}),
  })
  const guard = guardOf(host, now)
  for (const [{ explain }, commands] of todo) refuseToCutOff(host, explain.what, commands, guard)
  return { judged, todo }
}

async function doExclusively(kernel: Kernel, plan: readonly Operation[], known: Known): Promise<DoResult> {
  const { host } = kernel
  const { operations, now } = await readFor(kernel, plan, known)
  const { judged, todo } = prepare(host, operations, now, known)
  const batch = `${process.pid}-${process.hrtime.bigint().toString(36)}`
  const entries = judged
    .map(({ operation, verdict }, i) => ({ id: `${batch}.${i}`, operation, verdict, isTodo: todo.has(operation) }))
    .filter(({ isTodo, verdict }) => isTodo || verdict.status === 'present')
  appendJournal(
    host,
    entries.map(({ id, operation: derived, verdict, isTodo }) => {
      const { operation } = derived
      return isTodo
        ? {
            intent: id,
            operation,
            before: {
              ...(verdict.status === 'absent' ? verdict.before : {}),
              ...(derived.makesNetns === undefined ? {} : { intended: Date.now() }),
              ...(host.kind === 'machine' ? { strict: true, ...linkOf(derived, operations, now) } : {}),
            },
            owner: known.owner,
          }
        : { adopted: id, operation }
    }),
  )

  const started = performance.now()
  try {
    await kernel.run([...todo.values()].flat(), { signal: known.signal, progress: known.progress })
  } catch (error) {
    const blamed = error instanceof KernelError ? await blame(kernel, error, [...todo.keys()]) : error
    const refused = error instanceof KernelError ? error.command : undefined
    // Where its first command was refused, nothing of an operation is there, or it is somebody else's.
    const isRefused = ({ apply: [first] }: Derived) => first !== undefined && toLine(first, '1') === refused
    endEntries(
      host,
      entries.flatMap(({ id, operation }) => (isRefused(operation) ? [id] : [])),
    )
    const ids = new Set(entries.map((entry) => entry.id))
    // A sandbox that lives for one run only goes as a whole.
    if (host.common)
      await undoExclusively(
        kernel,
        readJournal(host).filter((entry) => ids.has(entry.id)),
      )
    throw blamed
  }
  const ms = performance.now() - started
  appendJournal(
    host,
    entries.filter((entry) => entry.isTodo).map((entry) => ({ created: entry.id, ...fileOf(host, entry.operation) })),
  )
  return { done: fates(judged, todo), ms }
}

/** What becomes of the operations of a plan. */
export function fates(judged: Prepared['judged'], todo: Prepared['todo']): Done[] {
  return judged.map(({ operation, verdict }) => {
    const commands = todo.get(operation)
    if (!commands) return { operation, status: 'already', commands: [] }
    return { operation, status: verdict.status === 'differs' ? 'mended' : 'done', commands }
  })
}

/** Tells whether something that is there is ours. */
type IsOurs = (operation: Derived, now: State) => boolean

/** How it is decided what has to be done: whether what is there is ours, what else is there by now, and how to mend. */
interface Choosing {
  isOurs?: IsOurs | undefined
  provided?: ReadonlySet<Resource> | undefined
  /** The commands for what differs; none if it is to stay. Without it all stays. */
  mend?: (operation: Derived, state: State) => readonly Command[]
}

/**
 * Picks what has to be done, with the commands for it; what needs something that is mended waits until that is done, and is
 * judged again. Throws CnilabError `state` if the state refuses any of it, or if what
 * is there is not ours, where that matters.
 */
export function choose(
  host: Host,
  judged: readonly { operation: Derived; verdict: Verdict }[],
  now: State,
  { isOurs, provided = new Set(), mend = () => [] }: Choosing = {},
): Map<Derived, readonly Command[]> {
  const todo = new Map<Derived, readonly Command[]>()
  const coming = new Set<Resource>(provided)
  const renewed = new Set<Resource>()
  let foreseen = now
  for (const { operation, verdict } of judged) {
    // How it stands to what is mended before it shows only then.
    const isDifferent = verdict.status === 'differs'
    const waits =
      operation.needs.some((need) => renewed.has(need)) ||
      (isDifferent && foreseen !== now && operation.judge(foreseen).status !== 'differs')
    const mending = isDifferent && !waits ? mend(operation, foreseen) : []
    if (verdict.status === 'differs' && !waits && mending.length === 0) throw inTheWay(host, operation, verdict)
    foreseen = foresee(foreseen, mending)
    if (waits || mending.length > 0) for (const one of operation.provides) renewed.add(one)
    if (verdict.status === 'blocked') {
      const lacking = coming.has(verdict.missing)
        ? operation.needs.find((need) => !coming.has(need) && !isThere(need, now))
        : verdict.missing
      if (lacking !== undefined) throw blocked(host, operation, { ...verdict, missing: lacking })
    }
    if (verdict.status === 'present') {
      if (isOurs?.(operation, now) === false) throw foreign(operation, now)
      continue
    }
    if (!waits) todo.set(operation, verdict.status === 'differs' ? mending : operation.apply)
    for (const one of operation.provides) coming.add(one)
  }
  return todo
}

/** Whether something that an operation needs is in the kernel; of gateways only the kernel itself can tell. */
function isThere(need: Resource, now: State): boolean {
  const { what, netns, ifname } = readResource(need)
  if (what === 'onlink') return true
  return what === 'netns' ? now.has(netns) : findLink(now, ifname, netns) !== undefined
}

function inTheWay(
  host: Host,
  { explain, apply }: Derived,
  verdict: Extract<Verdict, { status: 'differs' }>,
): CnilabError {
  const [first] = apply
  const [look, then] =
    first?.tool === 'nft'
      ? ['nft list ruleset', 'remove it, or move it to a table of another name']
      : ['ip -d link', 'remove it or choose another name']
  return new CnilabError('state', `${explain.what}: ${verdict.actual}`, {
    ...(first ? { command: toLine(first, '1') } : {}),
    fix:
      verdict.remedy === undefined
        ? (verdict.fix ?? `see what is there with: cnilab exec${flagsFor(host)} -- ${look}; then ${then}`)
        : `cnilab exec${flagsFor(host)} -- ${verdict.remedy}, or choose another name`,
  })
}

function blocked(host: Host, { explain }: Derived, verdict: Extract<Verdict, { status: 'blocked' }>): CnilabError {
  const line = lineOn(host)
  const fix = verdict.by ? line(...verdict.by) : remedyFor(verdict.missing, line)
  return new MissingError(`${explain.what}: ${verdict.actual}`, fix, verdict.missing)
}

/** Makes the lines of commands of cnilab that act on a host. */
export function lineOn(host: Host): CommandLine {
  return (...words) => `cnilab ${words.map(quote).join(' ')}${flagsFor(host)}`
}

/** The command that brings a missing resource. Words in capitals are for the user to choose. */
function remedyFor(missing: Resource, line: CommandLine): string {
  const { what, netns, ifname } = readResource(missing)
  if (what === 'netns') return line('netns', 'create', netns)
  const place = netns === HOST ? [] : ['--netns', netns]
  if (what === 'onlink')
    return `${line('ip', 'assign', 'ADDRESS/PREFIX', 'IFNAME', ...place)} && ${line('up', 'IFNAME', ...place)}`
  if (netns !== HOST) return line('attach', 'IFNAME', ...place, '--name', ifname)
  return line('veth', 'pair', ifname, 'PEER')
}

function foreign(operation: Derived, now: State): CnilabError {
  return new CnilabError('state', `${operation.expected} already, and ${ownerOf(operation.operation, now)}`, {
    fix: 'choose another name; on the machine itself cnilab touches only what it made',
  })
}

/** Tells whether something on the machine is ours: the journal has it, and would still find it to undo. */
function ownership(host: Host): IsOurs {
  const mine = readJournal(host)
    .filter((entry) => entry.status !== 'adopted')
    .map(({ operation, before }) => ({ derived: derive(operation), before }))
  return ({ makesNetns, marks, id }, now) =>
    (makesNetns === undefined && marks.length === 0) || // nobody's, and may be relied on
    marks.some(({ ifname, netns, mac }) => findLink(now, ifname, netns)?.mac === mac) ||
    mine.some(({ derived, before }) => derived.id === id && derived.undo(before, now).length > 0)
}

/** A batch does not reliably say which of its lines failed: the kernel is read again, and the first that is missing is it. */
export async function blame(kernel: Kernel, error: KernelError, operations: readonly Derived[]): Promise<KernelError> {
  if (error.command !== undefined) return error
  const now = await kernel.read(scopeOf(operations))
  const culprit: Command | undefined = operations.find((operation) => operation.judge(now).status !== 'present')
    ?.apply[0]
  return new KernelError(error.message, error.commands, culprit)
}
