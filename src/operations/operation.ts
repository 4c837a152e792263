import * as z from 'zod'
import { HOST, type State } from '../state/state.ts'

/** A tool that changes the kernel. `ip` and `nft` commands that follow one another are run as one batch. */
export type Tool = 'ip' | 'nft' | 'sysctl' | 'bridge'

/**
 * One command as data; nothing here executes it. `argv` comes without the tool's own name.
 * `netns` is the namespace in which it acts; undefined means the host.
 */
export interface Command {
  tool: Tool
  argv: readonly string[]
  netns?: string | undefined
}

/**
 * Stands in an argv for "the network namespace of the host", which `ip link set … netns` takes as a process id.
 * Whoever runs or prints the command puts the pid of a process there.
 */
export const HOST_PID = '\0host-pid'

/** What was there before an operation and what it made, as far as undoing it needs to know. Lives in the journal. */
export const beforeSchema = z.object({
  /** The interface was already up. */
  up: z.boolean().optional(),
  /** The sysctl's value. */
  value: z.string().optional(),
  /** Sysctls that the kernel rewrites along with it, and their values. */
  alongside: z.record(z.string(), z.string()).optional(),
  /** Inode of the namespace that was made, and since when it has it: the kernel gives it again (Namespace). */
  inode: z.number().optional(),
  since: z.number().optional(),
  /** When a namespace was about to be made, in milliseconds since the epoch. */
  intended: z.number().optional(),
  /** On the machine: how the interface is recognised that was changed (src/operations/same-link.ts). */
  link: z.object({ index: z.number().optional(), mac: z.string() }).optional(),
  /** On the machine: only what is exactly as it was made is undone. */
  strict: z.boolean().optional(),
})
export type Before = z.infer<typeof beforeSchema>

/**
 * How the kernel stands to an operation.
 * - `present`: its end state is there, whoever made it
 * - `absent`: it can be done now; `before` is what undo will need
 * - `differs`: something else is in its place; `fix` says what to do where that is not to look and remove it
 * - `blocked`: it cannot be done before `missing`, a resource, is there
 */
export type Verdict =
  | { status: 'present'; actual: string }
  | { status: 'absent'; actual: string; before: Before }
  /** `fix`: what to do about it. `remedy`: a command for the host that takes it away, where it is certain to be of no use. */
  | { status: 'differs'; actual: string; fix?: string; remedy?: string }
  /** `by`: the command of cnilab that makes what is missing, where that is not clear from what it is. */
  | { status: 'blocked'; actual: string; missing: Resource; by?: readonly string[] }

/** Names one thing in the kernel, such as `netns:red` or `link:red/eth0`. Made by `resource`. */
export type Resource = LinkResource | OtherResource
type LinkResource = `link:${string}`
type OtherResource = `${'netns' | 'onlink' | 'port'}:${string}`

/** The resource names that operations use to say what they provide and need. */
export const resource = {
  netns: (name: string): OtherResource => `netns:${name}`,
  link: (ifname: string, netns = 'host'): LinkResource => `link:${netns}/${ifname}`,
  /** Gateways that an interface reaches directly: it needs an address and must be up. */
  onlink: (netns = 'host'): OtherResource => `onlink:${netns}`,
  /** A port of the host, or of a namespace: only one container can have it. */
  port: (name: string, netns = 'host'): OtherResource => `port:${netns}/${name}`,
}

/** The parts of a resource's name; `ifname` is '' where it is no interface. A namespace may be a path. */
export function readResource(name: Resource): { what: string; netns: string; ifname: string } {
  const [, what = '', where = ''] = /^(\w+):(.*)$/.exec(name) ?? []
  const at = where.lastIndexOf('/')
  return what === 'link'
    ? { what, netns: where.slice(0, at), ifname: where.slice(at + 1) }
    : { what, netns: where, ifname: '' }
}

/** The eight steps from an empty network namespace to the internet, by the names of their commands. */
export type StepId = 'netns' | 'bridge' | 'veth' | 'attach-netns' | 'attach-bridge' | 'ip' | 'up' | 'masquerade'

/** What of the kernel has to be read to judge an operation, or to undo it. */
export interface Reads {
  /** The namespaces that it is about, besides the host; `everywhere` where what it makes may have been moved to any. */
  namespaces: readonly string[] | 'everywhere'
  /** The namespace of which the following is read; the host without it. */
  netns?: string | undefined
  /** Keys of sysctls. */
  sysctls?: readonly string[]
  /** The rules of nftables. */
  rules?: boolean
  /** The VLANs of bridge ports. */
  vlans?: boolean
}

/** An interface that an operation makes with a MAC address of its own, by which it is recognised on the machine. */
export interface MarkedLink {
  ifname: string
  netns?: string | undefined
  mac: string
}

/** Makes the line of a command of cnilab, for the host that it is about. */
export type CommandLine = (...words: readonly string[]) => string

/** Why something that the user names is not removed, and what to do instead. */
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
 * What other operations can rely on once it is done. An interface is provided only by a kind that says how it is
 * recognised on the machine: by its mark, as the one that was moved, or as the loopback of its namespace.
 */
type Provides<P> =
  | { provides(p: P): readonly Resource[]; mark(p: P): P; marks(p: P): readonly MarkedLink[] }
  | { provides(p: P): readonly Resource[]; moves(p: P): { ifname: string; netns: string } }
  | { provides(p: P): readonly Resource[]; makesNetns(p: P): string }
  | { provides(p: P): readonly OtherResource[] }

interface Definition<K extends string, P> {
  kind: K
  /** What it brings about, as a noun or a short sentence, for its entry in the reference. */
  title: string
  /** The step of the eight that it belongs to. */
  step(p: P): StepId
  /** Several containers may rely on it (bridge, gateway address, forwarding): undone only when nobody does. */
  shared?: boolean
  /** Made when asked for; see `parseOperation`. */
  readonly params: z.ZodType<P>
  /** The last part of its finding's id; with the kind in front it is unique in a plan: `up.red.eth0`. */
  id(p: P): string
  /** Whether two operations of the kind make the same thing; where they cannot be told by `id`, `expected` and `needs`. */
  isSame?(p: P, other: P): boolean
  reads(p: P): Reads
  /** The kernel modules that it needs where they are not built in, for modprobe(8). */
  modules?: string
  /** What must be there before it can be done. */
  needs(p: P): readonly Resource[]
  /** What of its kind has to be done first in this state, so that it takes nothing away from others. */
  first?(p: P, now: State): readonly P[]
  /** The interface that it changes, if it makes none: on the machine it is undone on no other of that name. */
  target?(p: P): { ifname: string; netns?: string | undefined } | undefined
  /** The addresses that it gives to interfaces, with their prefixes. */
  addresses?(p: P): readonly { address: string; ifname: string; netns?: string | undefined }[]
  /** The interface that it takes from the host into a namespace. */
  moves?(p: P): { ifname: string; netns: string }
  /** The namespace whose file it makes: on the machine it is recognised by the file's inode and age. */
  makesNetns?(p: P): string
  /** Gives it a mark, unless it has one, by which what it makes is recognised on the machine. */
  mark?(p: P): P
  /** The interfaces that it makes, where it has a mark. */
  marks?(p: P): readonly MarkedLink[]
  /** The host's tables of nftables in which it lives, as `ip NAME`; only for kinds of which the name alone tells. */
  tables?(p: P): readonly string[]
  /** What is left of it where the kernel has no IPv6; undefined for nothing. Without it, all. */
  withoutIpv6?(p: P): P | undefined
  apply(p: P): readonly Command[]
  /** Only for what is present in `now`; `before` comes from the journal, or is empty where none is kept. */
  undo(p: P, before: Before, now: State): readonly Command[]
  /**
   * What of it is there and left alone by `undo`, since somebody changed it and it may be theirs now: how, in words. Only
   * on the machine.
   */
  altered?(p: P, before: Before, now: State): string | undefined
  /** It is undone by itself even if its namespace goes too: the kernel takes seconds to remove it then. */
  lingers?: boolean
  /** Why the user's own request to remove it is refused in a sandbox, too; `line` makes a command of cnilab of some words. */
  refusal?(p: P, now: State, line: CommandLine): Refusal | undefined
  /** Who else relies on what was made; undo of a shared kind, and on the machine of any, waits until nobody does. */
  users?(p: P, now: State): readonly string[]
  /**
   * From what `judge` calls `differs` to the right state: what is in the place is changed, or removed and made anew. Empty
   * where that must not be, as with the host's own way out. `now` is a state that differs.
   */
  mend(p: P, now: State): readonly Command[]
  /** `what` and `undoing` are said as an order: `Create the bridge br0`, `Delete the bridge br0`. */
  explain(p: P): { what: string; why: string; undoing: string }
  /** The end state in words, as a finding shows it. */
  expected(p: P): string
  /** The end state, not the moment: a veth is there wherever its ends were moved to. */
  judge(p: P, now: State): Verdict
}

/**
 * Identity of something made on the machine itself. The MAC is set in the creating command, the alias right after:
 * only what has the journal's MAC is ever deleted there. `owner` is whose it is, where MACs and names derive from that:
 * an attachment of CNI, as `network/container/interface`.
 */
export const markSchema = z.object({ mac: z.string(), peerMac: z.string().optional(), owner: z.string().optional() })

/** A random MAC address, locally administered and unicast (IEEE 802: bits 1 and 0 of the first byte). */
export function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6))
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
}

/** The alias by which anyone can see whose interface it is. */
export const MARK_ALIAS = 'made by cnilab'

/** The alias of something that belongs to an attachment; the kernel keeps 255 bytes (IFALIASZ). */
export function aliasOf(mark: { owner?: string | undefined }): string {
  return mark.owner === undefined ? MARK_ALIAS : `${MARK_ALIAS} for ${mark.owner}`.slice(0, 255)
}

/** The reverse: the network and the container that something is of; undefined if it belongs to no attachment. */
export function attachmentOf(alias: string | undefined): { network: string; containerId: string } | undefined {
  const [, network, containerId] = new RegExp(`^${MARK_ALIAS} for ([^/]+)/([^/]+)/`).exec(alias ?? '') ?? []
  return network === undefined || containerId === undefined ? undefined : { network, containerId }
}

/** The namespaces that a plan names, as far as they are not the host. */
export function namedNetns(...names: readonly (string | undefined)[]): string[] {
  return names.filter((name) => name !== undefined)
}

/** The name of something in its namespace, for a finding's id; of the host's own only the name. */
export function idIn(netns: string | undefined, name: string): string {
  return netns === undefined ? name : `${netns}.${name}`
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

/** The verdict for an operation in a namespace that is not there; undefined when it is. */
export function missingNetns(netns: string | undefined, now: State): Verdict | undefined {
  if (netns === undefined || now.has(netns)) return undefined
  const isStray = now.get(HOST)?.strays?.includes(netns) === true
  const actual = isStray ? `the file /run/netns/${netns} is no namespace` : `there is no namespace ${netns}`
  return { status: 'blocked', actual, missing: resource.netns(netns) }
}

/** The verdict for an operation on an interface that is not there. */
export function missingLink(ifname: string, netns: string | undefined): Extract<Verdict, { status: 'blocked' }> {
  return {
    status: 'blocked',
    actual: `there is no interface ${ifname}${inNetns(netns)}`,
    missing: resource.link(ifname, netns),
  }
}
