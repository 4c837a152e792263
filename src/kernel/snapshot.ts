import { FORWARDING, REDIRECTS } from '../operations/sysctl.ts'
import type { Routed, Vlans } from '../state/parse.ts'
import { HOST, type Namespace, type NftObject, type State } from '../state/state.ts'
import { ambiguous } from '../state/topology.ts'
import type { Host } from './host.ts'
import { foldersAmong, namesInNetns, netnsAt } from './netns-files.ts'

/** What a snapshot should hold in addition to the host's links, addresses and routes; without a scope it holds everything. */
export interface Scope {
  /** Namespaces to read; undefined for all that have a name. The others appear by name only. */
  namespaces: ReadonlySet<string> | undefined
  /** Namespaces without a name to read as well, by path. */
  paths?: readonly string[]
  /** Sysctls to read, by namespace. */
  sysctls?: ReadonlyMap<string, readonly string[]>
  /** The namespaces whose nftables rules to read. */
  rules?: ReadonlySet<string>
  /** The only links of the host to read, without routes, so as not to read thousands for the sake of one. */
  links?: readonly string[] | undefined
  /** The only nftables tables of the host to read, as `ip NAME`; one that is not there has no rules. */
  tables?: readonly string[]
  /** Whether to also read which links forward. */
  forwarding?: boolean
  /** Whether to leave out the elements of sets in these tables, which a thousand containers may share. */
  withoutElements?: boolean
  /** The namespaces whose bridge port VLANs to read. */
  vlans?: ReadonlySet<string>
}

/** Reads parts of a host's kernel, in namespaces by their names or paths; undefined for the host's own. */
export interface Reader {
  /** The host's links, addresses and routes. */
  host: () => Promise<Routed>
  /** Some links of the host, without routes; those that do not exist are left out. */
  links: (names: readonly string[], withForwarding: boolean) => Promise<Routed>
  /** The same of namespaces, in their order; undefined for one that has vanished meanwhile, or is not a namespace. */
  namespaces: (names: readonly string[]) => Promise<readonly (Routed | undefined)[]>
  /** Some tables of nftables of the host, as `ip NAME`; those that do not exist are left out. */
  tables: (tables: readonly string[], withoutElements: boolean) => Promise<readonly NftObject[]>
  /** All tables of nftables. */
  rules: (netns: string | undefined) => Promise<readonly NftObject[]>
  /** The values of sysctls; those that do not exist are left out. */
  sysctls: (keys: readonly string[], netns: string | undefined) => Promise<Record<string, string>>
  /** The VLANs of the bridge ports. */
  vlans: (netns: string | undefined) => Promise<Vlans>
  /** The names of namespaces by the ids that this one has for them. */
  netnsIds: (netns: string | undefined) => Promise<ReadonlyMap<number, string> | undefined>
}

const usual = [...Object.values(FORWARDING), REDIRECTS]

/** Reads the kernel. */
export async function snapshot(host: Host, reader: Reader, scope?: Scope): Promise<State> {
  const { namespaces, strays } = scope?.links ? { namespaces: [], strays: [] } : await namesInNetns(host)
  const others = [...(scope?.namespaces ?? []), ...(scope?.paths ?? [])]
    .filter((name) => scope?.links !== undefined || name.startsWith('/'))
    .flatMap((name) => {
      const file = netnsAt(host, name)
      return file ? [[name, file] as const] : []
    })
  const files = new Map([...namespaces, ...others])
  const names = [...files.keys()]
  const wanted = names.filter((name) => scope?.namespaces?.has(name) ?? true)
  const everything = { sysctls: new Map([[HOST, usual]]), rules: new Set([HOST]) }
  const settings = { ...(scope ?? everything), reader }
  // Start the slowest read first: they run in parallel.
  const [inner, own, rest] = await Promise.all([
    readNamespaces(settings, wanted),
    scope?.links ? reader.links(scope.links, scope.forwarding === true) : reader.host(),
    readSettings(settings, HOST),
  ])
  const state = new Map<string, Namespace | undefined>([
    [HOST, { ...together(own, rest), inode: 0, since: 0, strays, folders: foldersAmong(host, strays) }],
    ...names.map((name) => {
      const read = inner.get(name)
      return [name, read && { ...read, ...(files.get(name) ?? { inode: 0, since: 0 }) }] as const
    }),
  ])
  for (const name of scope?.links ? [] : ambiguous(state)) {
    const [namespace, netnsIds] = [state.get(name), await reader.netnsIds(name === HOST ? undefined : name)]
    if (namespace && netnsIds) state.set(name, { ...namespace, netnsIds })
  }
  return scope ? state : withVlans(reader, state)
}

/** Adds the VLANs where a bridge filters them; elsewhere they mean nothing, and are not worth a process. */
async function withVlans(reader: Reader, state: State): Promise<State> {
  const complete = new Map(state)
  for (const [name, namespace] of state) {
    if (namespace?.links.some(({ vlanFiltering }) => vlanFiltering) !== true) continue
    const vlans = await reader.vlans(name === HOST ? undefined : name)
    const links = namespace.links.map((link) => ({ ...link, vlans: vlans.get(link.name) ?? [] }))
    complete.set(name, { ...namespace, links })
  }
  return complete
}

type Settings = Omit<Scope, 'namespaces'> & { reader: Reader }

/** What ip does not show of a namespace: rules, sysctls, and the VLANs of bridge ports. */
type Rest = Pick<Namespace, 'rules' | 'sysctls'> & { vlans: Vlans | undefined }

function together({ links, ...own }: Routed, { vlans, ...rest }: Rest): Routed & Omit<Rest, 'vlans'> {
  const inThem = vlans ? links.map((link) => ({ ...link, vlans: vlans.get(link.name) ?? [] })) : links
  return { ...own, ...rest, links: inThem }
}

async function readSettings({ reader, tables, withoutElements, ...scope }: Settings, netns: string): Promise<Rest> {
  const place = netns === HOST ? undefined : netns
  const [rules, sysctls, vlans] = await Promise.all([
    tables && place === undefined
      ? reader.tables(tables, withoutElements === true)
      : scope.rules?.has(netns) === true
        ? reader.rules(place)
        : [],
    reader.sysctls(scope.sysctls?.get(netns) ?? [], place),
    scope.vlans?.has(netns) === true ? reader.vlans(place) : undefined,
  ])
  return { rules, sysctls, vlans }
}

/** How many namespaces to read before parsing them and freeing the text: a thousand make some 20 MB of JSON. */
const CHUNK = 100

async function readNamespaces(
  settings: Settings,
  names: readonly string[],
): Promise<Map<string, ReturnType<typeof together>>> {
  const read = new Map<string, ReturnType<typeof together>>()
  for (let at = 0; at < names.length; at += CHUNK) {
    const some = names.slice(at, at + CHUNK)
    const all = await settings.reader.namespaces(some)
    const rest = await Promise.all(some.map((name) => readSettings(settings, name)))
    for (const [i, name] of some.entries()) {
      const [own, more] = [all[i], rest[i]]
      if (own && more) read.set(name, together(own, more))
    }
  }
  return read
}
