import type * as z from 'zod'
import { HOST, type State } from '../state/state.ts'
import type { Around, Place } from './around.ts'
import type { beforeSchema, markSchema } from './schemas.ts'

/** A tool that changes the kernel. Consecutive `ip` commands run as one batch, and so do consecutive `nft` commands. */
export type Tool = 'ip' | 'nft' | 'sysctl' | 'bridge'

/**
 * One command as data; nothing here executes it. `argv` does not include the tool's own name.
 * `netns` is the namespace in which it acts; undefined means the host.
 */
export interface Command {
  tool: Tool
  argv: readonly string[]
  netns?: string | undefined
}

/**
 * Stands in an argv for "the network namespace of the host", which `ip link set … netns` takes as a process id.
 * Code that runs or prints the command substitutes the pid of a process.
 */
export const HOST_PID = '\0host-pid'

/** What was there before an operation, and what it made, as the journal keeps it for its undo. */
export type Before = z.infer<typeof beforeSchema>

/**
 * How the kernel's state compares with an operation's end state.
 * - `present`: it has been reached, by whatever means
 * - `absent`: the operation can be done now; `before` is what undo will need
 * - `differs`: something else is in its place
 * - `blocked`: it cannot be done until the resource `missing` exists
 */
export type Verdict =
  | { status: 'present'; actual: string }
  | { status: 'absent'; actual: string; before: Before }
  /** `fix`: what to do about it, unless it is simply to look and remove it. `remedy`: a command that removes it, if it is certainly useless. `owner`: whose it is, if it says so. */
  | { status: 'differs'; actual: string; fix?: string; remedy?: string; owner?: string }
  /** `by`: the cnilab command that creates what is missing, if the resource alone does not tell. */
  | { status: 'blocked'; actual: string; missing: Resource; by?: readonly string[] }

/**
 * What shows the effect of an operation where it was done in another way than ours: who the internet sees when some
 * namespaces call it, or what a program prints that changes nothing. `shows` says how the effect looks, in words; undefined
 * if it is not there. `unclear`: what can be said where nobody gets through, if the effect may yet be there.
 */
export type Proof =
  | {
      by: 'callers'
      from: readonly string[]
      shows: (callers: readonly string[]) => string | undefined
      unclear?: string | undefined
    }
  | {
      by: 'reading'
      argv: readonly string[]
      netns: string | undefined
      input: string
      shows: (stdout: string) => string | undefined
    }

/** Names one thing in the kernel, such as `netns:red` or `link:red/eth0`. Made by `resource`. */
export type Resource = LinkResource | OtherResource
type LinkResource = `link:${string}`
type OtherResource = `${'netns' | 'onlink' | 'port'}:${string}`

/** The resource names that operations use to say what they provide and need. */
export const resource = {
  netns: (name: string): OtherResource => `netns:${name}`,
  link: (ifname: string, netns = 'host'): LinkResource => `link:${netns}/${ifname}`,
  /** Directly reachable gateways: some interface is up and has an address. */
  onlink: (netns = 'host'): OtherResource => `onlink:${netns}`,
  /** A port of the host, or of a namespace: only one container can have it. */
  port: (name: string, netns = 'host'): OtherResource => `port:${netns}/${name}`,
}

/** The parts of a resource's name; `ifname` is '' unless it is an interface. A namespace may be a path. */
export function readResource(name: Resource): { what: string; netns: string; ifname: string } {
  const [, what = '', where = ''] = /^(\w+):(.*)$/.exec(name) ?? []
  const at = where.lastIndexOf('/')
  return what === 'link'
    ? { what, netns: where.slice(0, at), ifname: where.slice(at + 1) }
    : { what, netns: where, ifname: '' }
}

/** The eight steps from an empty network namespace to the internet, by the names of their commands. */
export type StepId = 'netns' | 'bridge' | 'veth' | 'attach-netns' | 'attach-bridge' | 'ip' | 'up' | 'masquerade'

/** What must be read from the kernel to judge an operation, or to undo it. */
export interface Reads {
  /** The namespaces that it is about, in addition to the host; `everywhere` if what it creates may have been moved. */
  namespaces: readonly string[] | 'everywhere'
  /** The namespace that the members below are about; by default the host. */
  netns?: string | undefined
  /** Keys of sysctls. */
  sysctls?: readonly string[]
  /** Whether to read the nftables rules. */
  rules?: boolean
  /** Whether to read the VLANs of bridge ports. */
  vlans?: boolean
}

/** An interface that an operation creates with its own MAC address, which identifies it on the machine. */
export interface MarkedLink {
  ifname: string
  netns?: string | undefined
  mac: string
}

/** How an interface is moved into a namespace: from where it is, by that name, to its place there. */
export interface Move {
  from: Place
  to: Place & { netns: string }
}

/** Builds the command line of a cnilab command, for the current host. */
export type CommandLine = (...words: readonly string[]) => string

/** An operation in words. */
export interface Explanation {
  /** Imperatives: `Create the bridge br0`, `Delete the bridge br0`. */
  what: string
  undoing: string
  why: string
  /** A command line that does the same with iptables, for those who know that. */
  iptables?: string
}

/** Why cnilab does not remove what the user named, and what to do instead. */
export interface Refusal {
  actual: string
  fix: string
}

/**
 * The smallest kernel change, defined once. Running it, dry run, explanation, shell script, undo, check and
 * diagnosis are all derived from these members. None of them has an effect.
 */
export type OperationKind<K extends string, P> = Definition<K, P> & Provides<P>

/**
 * What other operations can rely on once it is done. A kind that provides an interface must say how to recognise it on the
 * machine: by its mark, as the one that was moved, or as the loopback of its namespace.
 */
type Provides<P> =
  | { provides(p: P): readonly Resource[]; mark(p: P, derive: Derive): P; marks(p: P): readonly MarkedLink[] }
  | { provides(p: P): readonly Resource[]; moves(p: P): Move }
  | { provides(p: P): readonly Resource[]; makesNetns(p: P): string }
  | { provides(p: P): readonly OtherResource[] }

interface Definition<K extends string, P> {
  kind: K
  /** Its effect, as a noun or a short sentence, for its entry in the reference. */
  title: string
  /** Which of the eight steps it belongs to. */
  step(p: P): StepId
  /** Several containers may rely on it (bridge, gateway address, forwarding): undo it only when none does. */
  shared?: boolean
  /** Built on first use; see `schemaOf` in the registry. */
  readonly params: z.ZodType<P>
  /** The last part of its finding's id; with the kind in front it is unique in a plan: `up.red.eth0`. */
  id(p: P): string
  /** Whether two operations of the kind make the same thing; only if comparing `id`, `expected` and `needs` would not do. */
  isSame?(p: P, other: P): boolean
  /** The one way to write it, of several that mean the same. */
  normal?(p: P): P
  reads(p: P): Reads
  /** The kernel modules that it needs unless they are built in, for modprobe(8). */
  modules?: string
  /** What must exist before it can be done. */
  needs(p: P): readonly Resource[]
  /** Operations of its kind that must be done first in this state, so that it breaks nothing of others. */
  first?(p: P, now: State): readonly P[]
  /** The interface that it changes, if it creates none: on the machine, undo leaves another interface of that name alone. */
  target?(p: P): { ifname: string; netns?: string | undefined } | undefined
  /** The addresses that it gives to interfaces, with their prefixes. */
  addresses?(p: P): readonly { address: string; ifname: string; netns?: string | undefined }[]
  /** The interface that it moves into a namespace. */
  moves?(p: P): Move
  /** The two ends of the cable that it makes. */
  ends?(p: P): readonly [Place, Place]
  /** The namespace that it creates: on the machine, its file's inode and age identify it. */
  makesNetns?(p: P): string
  /** Adds a mark, unless there is one, which identifies on the machine what it creates. */
  mark?(p: P, derive: Derive): P
  /** The interfaces that it creates with a mark. */
  marks?(p: P): readonly MarkedLink[]
  /** The host's tables of nftables in which it lives, as `ip NAME`; only for kinds of which the name alone tells. */
  tables?(p: P): readonly string[]
  /** What remains of it on a kernel without IPv6; undefined if nothing does. If missing, all of it remains. */
  withoutIpv6?(p: P): P | undefined
  apply(p: P): readonly Command[]
  /** Undoes only what is present in `now`; `before` comes from the journal, and is empty if there is none. */
  undo(p: P, before: Before, now: State, around?: Around): readonly Command[]
  /**
   * How somebody changed what it made, in words, if `undo` leaves it alone for that reason: it may be theirs now. Only on
   * the machine.
   */
  altered?(p: P, before: Before, now: State): string | undefined
  /** Undo it explicitly even if its namespace is deleted too: the kernel would take seconds to remove it. */
  lingers?: boolean
  /** Why even in a sandbox the user's own request to remove it is refused; `line` builds a cnilab command line. */
  refusal?(p: P, now: State, line: CommandLine): Refusal | undefined
  /** Who else relies on what it made; undo of a shared kind, and on the machine of any kind, waits until nobody does. */
  users?(p: P, now: State): readonly string[]
  /**
   * The commands that lead from `now`, a state that `judge` calls `differs`, to the right one: they change what is in its
   * place, or replace it. Empty if that must not be touched, such as the host's own way out.
   */
  mend(p: P, now: State, around?: Around): readonly Command[]
  /**
   * Whether what is in its place in `now`, a state that `judge` calls `differs`, was made for an earlier holder of its address:
   * whoever has the address now may replace it.
   */
  leftover?(p: P, now: State): boolean
  /** What it is for. */
  explain(p: P): Explanation
  /** The end state in words, as a finding shows it. */
  expected(p: P): string
  /**
   * Judges the end state, not the moment: a veth is present wherever its ends were moved to. `around`, here and above, tells
   * where the plan has them moved.
   */
  judge(p: P, now: State, around?: Around): Verdict
  /**
   * What shows its effect where `judge` does not find it: many rules masquerade, and packets tell. Undefined if nothing can
   * be tried in this state.
   */
  proof?(p: P, now: State): Proof | undefined
}

/** The identity of an interface that we create on the machine itself. */
export type Mark = z.infer<typeof markSchema>

/** Returns 64 hex digits that derive from the operation that is marked, from where and when that is, and from `part`. */
export type Derive = (part: string) => string

/** A MAC address of the first of some hex digits, locally administered and unicast (IEEE 802: bits 1 and 0 of the first byte). */
export function macFrom(hex: string): string {
  const bytes = (hex.slice(0, 12).match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16))
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** The alias that shows everybody whose interface it is. */
export const MARK_ALIAS = 'made by cnilab'

/** The alias of something that belongs to an attachment; the kernel keeps 255 bytes (IFALIASZ). */
export function aliasOf(mark: { owner?: string | undefined }): string {
  return mark.owner === undefined ? MARK_ALIAS : `${MARK_ALIAS} for ${mark.owner}`.slice(0, 255)
}

/** The reverse of `aliasOf`: the network and container in an alias; undefined if it names no attachment. */
export function attachmentOf(alias: string | undefined): { network: string; containerId: string } | undefined {
  const [, network, containerId] = new RegExp(`^${MARK_ALIAS} for ([^/]+)/([^/]+)/`).exec(alias ?? '') ?? []
  return network === undefined || containerId === undefined ? undefined : { network, containerId }
}

/** Drops `undefined`, which stands for the host, from a list of namespaces. */
export function namedNetns(...names: readonly (string | undefined)[]): string[] {
  return names.filter((name) => name !== undefined)
}

/** `red.cni0`, or just `cni0` on the host: part of a finding's id. */
export function idIn(netns: string | undefined, name: string): string {
  return netns === undefined ? name : `${netns}.${name}`
}

/** `in namespace red`, or `on the host`: where something is. */
export function whereIs(netns: string | undefined): string {
  return netns === undefined || netns === HOST ? 'on the host' : `in namespace ${netns}`
}

/** ` in namespace red`, or nothing for the host. */
export function inNetns(netns: string | undefined): string {
  return netns === undefined ? '' : ` in namespace ${netns}`
}

/** Shorthand for an `ip` command. */
export function ip(netns: string | undefined, ...argv: string[]): Command {
  return netns === undefined ? { tool: 'ip', argv } : { tool: 'ip', argv, netns }
}

/** Shorthand for an `nft` command. */
export function nft(netns: string | undefined, ...argv: string[]): Command {
  return netns === undefined ? { tool: 'nft', argv } : { tool: 'nft', argv, netns }
}

/** `red.eth0`, or `host.eth0`: the common form of a finding's id. */
export function placeId(netns: string | undefined, name: string): string {
  return `${netns ?? 'host'}.${name}`
}

/** The verdict on an operation in a namespace that does not exist; undefined if it does. */
export function missingNetns(netns: string | undefined, now: State): Verdict | undefined {
  if (netns === undefined || now.has(netns)) return undefined
  const isStray = now.get(HOST)?.strays?.includes(netns) === true
  const actual = isStray ? `the file /run/netns/${netns} is not a namespace` : `there is no namespace ${netns}`
  return { status: 'blocked', actual, missing: resource.netns(netns) }
}

/** The verdict on an operation on an interface that does not exist. */
export function missingLink(ifname: string, netns: string | undefined): Extract<Verdict, { status: 'blocked' }> {
  return {
    status: 'blocked',
    actual: `there is no interface ${ifname}${inNetns(netns)}`,
    missing: resource.link(ifname, netns),
  }
}
