import { CnilabError } from '../errors.ts'
import { exclusively } from '../journal/exclusively.ts'
import { appendJournal, endEntries, readJournal } from '../journal/journal.ts'
import { flagsFor, type Host } from '../kernel/host.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { KernelError, type Progress } from '../kernel/run.ts'
import {
  type Command,
  type CommandLine,
  missingLink,
  readResource,
  type Resource,
  type Verdict,
} from '../operations/operation.ts'
import { type BoundOperation, bindOperation, bindPlan, type Operation } from '../operations/registry.ts'
import { quote, toLine } from '../plan/command-line.ts'
import { foresee } from '../plan/foresee.ts'
import { scopeOf } from '../plan/scope.ts'
import { findLink, HOST, type State } from '../state/state.ts'
import { withFirst } from './first.ts'
import { guardOf, refuseToCutOff } from './guard.ts'
import { fileOf, linkOf, marked } from './marks.ts'
import { mendingOf } from './mending.ts'
import { describeOwner } from './owner.ts'
import { undoExclusively } from './undo.ts'
import { MissingError, withWhereabouts } from './whereabouts.ts'

/** The outcome of one operation. */
interface Done {
  operation: BoundOperation
  /** `mended`: something else was in its place. */
  status: 'done' | 'mended' | 'already'
  /** The commands that were run for it. */
  commands: readonly Command[]
  /** What was in its place, in words. */
  found?: string
}

/** The outcome of a plan: of each operation, and how long applying them took, in milliseconds. */
export interface DoResult {
  done: Done[]
  ms: number
}

/** Options of `doPlan`. */
export interface DoOptions {
  /** The state, if the caller has just read it. */
  now?: State | undefined
  /** What has been provided since `now` was read. */
  provided?: ReadonlySet<Resource>
  /** Stops between two batches. */
  signal?: AbortSignal
  /** Called with the number of commands that are done. */
  progress?: Progress | undefined
  /** Whether to change or remove what is in the way, if it is ours to change. */
  mend?: boolean
  /** The attachment that it is done for, for the journal: `network/container/interface`. */
  owner?: string | undefined
}

/**
 * Does a plan: reads the kernel, adopts what already exists, records what it is about to do, and does it.
 * Throws CnilabError `state` before it changes anything if something else is in the way or something needed is missing,
 * and KernelError if the kernel refuses, after undoing everything that this call made; what it only changed stays.
 */
export async function doPlan(kernel: Kernel, plan: readonly Operation[], known: DoOptions = {}): Promise<DoResult> {
  try {
    return await exclusively(kernel.host, () => doExclusively(kernel, plan, known))
  } catch (error) {
    throw await withWhereabouts(kernel, error)
  }
}

/** A plan judged against a state: the verdict on each operation, and the commands for what must be done. */
interface Prepared {
  judged: readonly { operation: BoundOperation; verdict: Verdict }[]
  todo: Map<BoundOperation, readonly Command[]>
}

/** The operations of a plan as they will be done on a host, and the host's state. */
export async function readFor(
  kernel: Kernel,
  plan: readonly Operation[],
  known: DoOptions = {},
): Promise<{ operations: readonly BoundOperation[]; now: State }> {
  const { host } = kernel
  const wanted = bindPlan(marked(host, plan))
  // What was read before we took the lock may be out of date if others act, too.
  const before = (host.common ? undefined : known.now) ?? (await kernel.read(scopeOf(wanted)))
  return withFirst(wanted, before, (all) => kernel.read(scopeOf(all)))
}

/** Works out what a plan would do, without changing anything. Throws CnilabError `state` as `doPlan` does. */
export function prepare(host: Host, operations: readonly BoundOperation[], now: State, known: DoOptions): Prepared {
  const judged = operations.map((operation) => ({ operation, verdict: operation.judge(now) }))
  const isOurs = host.kind === 'machine' ? ownership(host) : undefined
  const todo = choose(host, judged, now, {
    isOurs,
    provided: known.provided,
    ...(known.mend === true
      ? { mend: (operation: BoundOperation, state: State) => mendingOf(host, operation, state) }
      : {}),
  })
  const guard = guardOf(host, now)
  for (const [{ explain }, commands] of todo) refuseToCutOff(host, explain.what, commands, guard)
  return { judged, todo }
}

async function doExclusively(kernel: Kernel, plan: readonly Operation[], known: DoOptions): Promise<DoResult> {
  const { host } = kernel
  const { operations, now } = await readFor(kernel, plan, known)
  const { judged, todo } = prepare(host, operations, now, known)
  const batch = `${process.pid}-${process.hrtime.bigint().toString(36)}`
  const entries = judged
    .map(({ operation, verdict }, i) => ({ id: `${batch}.${i}`, operation, verdict, isTodo: todo.has(operation) }))
    .filter(({ isTodo, verdict }) => isTodo || verdict.status === 'present')
  appendJournal(
    host,
    entries.map(({ id, operation: bound, verdict, isTodo }) => {
      const { operation } = bound
      return isTodo
        ? {
            intent: id,
            operation,
            before: {
              ...(verdict.status === 'absent' ? verdict.before : {}),
              ...(bound.makesNetns === undefined ? {} : { intended: Date.now() }),
              ...(host.kind === 'machine' ? { strict: true, ...linkOf(bound, operations, now) } : {}),
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
    const blamed = error instanceof KernelError ? await blame(kernel, error, todo) : error
    const refused = error instanceof KernelError ? error.command : undefined
    // If an operation's first command was refused, nothing of it exists, or what does is somebody else's.
    const isRefused = ({ apply: [first] }: BoundOperation) => first !== undefined && toLine(first, '1') === refused
    endEntries(
      host,
      entries.flatMap(({ id, operation }) => (isRefused(operation) ? [id] : [])),
    )
    // What was there before in another form is not ours to take away. On the machine, marks tell what of it is.
    const mended = entries.filter(({ verdict }) => verdict.status === 'differs')
    if (host.kind === 'sandbox')
      endEntries(
        host,
        mended.map(({ id }) => id),
      )
    const ids = new Set(entries.filter((entry) => !mended.includes(entry)).map(({ id }) => id))
    // A sandbox that lives only for one run goes as a whole.
    if (host.common)
      await undoExclusively(
        kernel,
        readJournal(host).filter((entry) => ids.has(entry.id)),
      )
    throw blamed instanceof KernelError ? await withLeft(kernel, blamed, mended) : blamed
  }
  const ms = performance.now() - started
  appendJournal(
    host,
    entries.filter((entry) => entry.isTodo).map((entry) => ({ created: entry.id, ...fileOf(host, entry.operation) })),
  )
  return { done: fates(judged, todo), ms }
}

/** The error, with what was changed before it and stays so. */
async function withLeft(
  kernel: Kernel,
  error: KernelError,
  mended: readonly { operation: BoundOperation }[],
): Promise<KernelError> {
  if (mended.length === 0) return error
  const bound = mended.map(({ operation }) => operation)
  const now = await kernel.read(scopeOf(bound))
  const left = bound.filter((operation) => operation.judge(now).status === 'present')
  if (left.length === 0) return error
  const words = left.map(({ expected }) => expected).join('; ')
  return new KernelError(
    `${error.message} (changed before, and left so: ${words})`,
    error.commands,
    error.culprit,
    error.modules,
  )
}

/** What happens to each operation of a plan. */
export function fates(judged: Prepared['judged'], todo: Prepared['todo']): Done[] {
  return judged.map(({ operation, verdict }) => {
    const commands = todo.get(operation)
    if (!commands) return { operation, status: 'already', commands: [] }
    return verdict.status === 'differs'
      ? { operation, status: 'mended', commands, found: verdict.actual }
      : { operation, status: 'done', commands }
  })
}

/** Whether what exists of an operation is ours. */
type IsOurs = (operation: BoundOperation, now: State) => boolean

/** Options of `choose`: whether what exists is ours, what has been provided since, and how to mend. */
interface ChooseOptions {
  isOurs?: IsOurs | undefined
  provided?: ReadonlySet<Resource> | undefined
  /** The commands for what differs; none if it must stay. Without this option, everything stays. */
  mend?: (operation: BoundOperation, state: State) => readonly Command[]
}

/**
 * Selects the operations that must be done, with their commands. One that needs something that is being mended waits, and is
 * judged again afterwards. Throws CnilabError `state` if the state refuses one of them, or if what exists is not ours, if
 * `isOurs` asks.
 */
export function choose(
  host: Host,
  judged: readonly { operation: BoundOperation; verdict: Verdict }[],
  now: State,
  { isOurs, provided = new Set(), mend = () => [] }: ChooseOptions = {},
): Map<BoundOperation, readonly Command[]> {
  const todo = new Map<BoundOperation, readonly Command[]>()
  const coming = new Set<Resource>(provided)
  const renewed = new Set<Resource>()
  let foreseen = now
  for (const { operation, verdict } of judged) {
    // What an earlier operation mends may change the verdict on this one.
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
      if (lacking !== undefined)
        throw blocked(host, operation, lacking === verdict.missing ? verdict : lackingOf(lacking))
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

/** Whether something that an operation needs exists. Whether a gateway is reachable, only the kernel itself can tell. */
function isThere(need: Resource, now: State): boolean {
  const { what, netns, ifname } = readResource(need)
  if (what === 'onlink') return true
  return what === 'netns' ? now.has(netns) : findLink(now, ifname, netns) !== undefined
}

function inTheWay(
  host: Host,
  { explain, apply }: BoundOperation,
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

function blocked(
  host: Host,
  { explain }: BoundOperation,
  verdict: Extract<Verdict, { status: 'blocked' }>,
): CnilabError {
  const line = lineOn(host)
  const fix = verdict.by ? line(...verdict.by) : remedyFor(verdict.missing, line)
  return new MissingError(`${explain.what}: ${verdict.actual}`, fix, verdict.missing)
}

/** Returns a function that builds command lines of cnilab for this host. */
export function lineOn(host: Host): CommandLine {
  return (...words) => `cnilab ${words.map(quote).join(' ')}${flagsFor(host)}`
}

/** The verdict on an operation that lacks a resource, which is not the first thing that is missing. */
function lackingOf(missing: Resource): Extract<Verdict, { status: 'blocked' }> {
  const { what, netns, ifname } = readResource(missing)
  if (what === 'link') return missingLink(ifname, netns === HOST ? undefined : netns)
  return { status: 'blocked', actual: `there is no namespace ${netns}`, missing }
}

/** The command that creates a missing resource. Words in capitals are placeholders. */
function remedyFor(missing: Resource, line: CommandLine): string {
  const { what, netns, ifname } = readResource(missing)
  if (what === 'netns') return line('netns', 'create', netns)
  const place = netns === HOST ? [] : ['--netns', netns]
  if (what === 'onlink')
    return `${line('ip', 'assign', 'ADDRESS/PREFIX', 'IFNAME', ...place)} && ${line('up', 'IFNAME', ...place)}`
  if (netns !== HOST) return line('attach', 'IFNAME', ...place, '--name', ifname)
  return line('veth', 'pair', ifname, 'PEER')
}

function foreign(operation: BoundOperation, now: State): CnilabError {
  return new CnilabError('state', `${operation.expected} already, and ${describeOwner(operation.operation, now)}`, {
    fix: 'choose another name; on the machine itself cnilab touches only what it made',
  })
}

/** Returns a function that tells whether something on the machine is ours: it is in the journal, and undo would still find it. */
function ownership(host: Host): IsOurs {
  const mine = readJournal(host)
    .filter((entry) => entry.status !== 'adopted')
    .map(({ operation, before }) => ({ bound: bindOperation(operation), before }))
  return ({ makesNetns, marks, id }, now) =>
    (makesNetns === undefined && marks.length === 0) || // it is nobody's, so anybody may rely on it
    marks.some(({ ifname, netns, mac }) => findLink(now, ifname, netns)?.mac === mac) ||
    mine.some(({ bound, before }) => bound.id === id && bound.undo(before, now).length > 0)
}

/**
 * Finds the command that failed. A batch does not reliably say: then this reads the kernel again and judges every operation.
 * The first one that is missing, of those that the process which failed was about, is to blame. What the kernel lacks for it
 * is a fault of the machine.
 */
export async function blame(
  kernel: Kernel,
  error: KernelError,
  todo: ReadonlyMap<BoundOperation, readonly Command[]>,
): Promise<KernelError> {
  const suspects = [...todo].flatMap(([operation, commands]) => {
    const own = commands.filter((command) => error.commands.includes(command))
    return own.length === 0 ? [] : [{ operation, own }]
  })
  const { culprit } = error
  const now = culprit ? undefined : await kernel.read(scopeOf([...todo.keys()]))
  const guilty = suspects.find(({ operation, own }) =>
    now ? operation.judge(now).status !== 'present' : own.some((one) => one === culprit),
  )
  return new KernelError(error.message, error.commands, culprit ?? guilty?.own[0], guilty?.operation.modules)
}
