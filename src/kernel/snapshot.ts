import { CnilabError } from '../errors.ts'
import { FORWARDING, REDIRECTS } from '../operations/sysctl.ts'
import {
  parseNamespace,
  parseNetnsIds,
  parseRuleset,
  parseSysctls,
  parseVlans,
  READ_BATCH,
  READ_DOCUMENTS,
  type Vlans,
} from '../state/parse.ts'
import { HOST, type Namespace, type NftObject, type State } from '../state/state.ts'
import { ambiguous } from '../state/topology.ts'
import { withFiles } from './files.ts'
import type { Host } from './host.ts'
import type { Launch } from './launcher.ts'
import { foldersAmong, namesInNetns, netnsAt, type NetnsFile } from './netns-files.ts'
import { spawnOn } from './on-host.ts'
import { readText, UnreadableError } from './read-file.ts'
import { wasKilled } from './spawn.ts'

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

const usual = [...Object.values(FORWARDING), REDIRECTS]

/** Reads the kernel: with one process for the host's links, addresses and routes, one each for rules and sysctls, and a few for the namespaces. */
export async function snapshot(host: Host, launcher: Launch, scope?: Scope): Promise<State> {
  const launch = consistent(toItsEnd(launcher))
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
  const everything = { sysctls: new Map([[HOST, usual]]), rules: new Set([HOST]), vlans: new Set<string>() }
  const settings = { ...(scope ?? everything), host, launch }
  // Start the slowest read first: they run in parallel.
  const [inner, own, rest] = await Promise.all([
    readNamespaces(settings, wanted, files),
    scope?.links ? readLinks(launch, scope.links, scope.forwarding === true) : readHost(launch),
    readSettings(settings, HOST),
  ])
  const state = new Map<string, Namespace | undefined>([
    [HOST, { ...parseNamespace(own, { ...nowhere, ...rest }), strays, folders: foldersAmong(host, strays) }],
    ...names.map((name) => [name, inner.get(name)] as const),
  ])
  for (const name of scope?.links ? [] : ambiguous(state)) {
    const namespace = state.get(name)
    const { code, stdout } = await launch(name === HOST ? undefined : name, ['ip', '-j', 'netns', 'list-id'])
    if (namespace && code === 0) state.set(name, { ...namespace, netnsIds: parseNetnsIds(stdout) })
  }
  return state
}

/** Reads what ip does not show of a namespace: rules, sysctls, and the VLANs of bridge ports. */
async function readSettings(
  { host, launch, tables, withoutElements, ...scope }: Settings,
  netns: string,
): Promise<Pick<Namespace, 'rules' | 'sysctls'> & { vlans?: Vlans }> {
  const place = netns === HOST ? undefined : netns
  const [rules, sysctls, vlans] = await Promise.all([
    tables && place === undefined
      ? readTables(launch, tables, withoutElements === true)
      : scope.rules?.has(netns) === true
        ? readRules(launch, place)
        : [],
    readSysctls(host, launch, scope.sysctls?.get(netns) ?? [], place),
    scope.vlans?.has(netns) === true ? readVlans(launch, place) : undefined,
  ])
  return { rules, sysctls, ...(vlans ? { vlans } : {}) }
}

type Settings = Omit<Scope, 'namespaces'> & { host: Host; launch: Launch }

/** Throws if a program was killed: what it did not get to print must not be taken for missing, and created again, or forgotten. */
function toItsEnd(launch: Launch): Launch {
  return async (netns, argv, input, seconds) => {
    const finished = await launch(netns, argv, input, seconds)
    if (wasKilled(finished))
      throw new CnilabError('state', `could not read the network: ${argv[0]} was killed`, {
        fix: 'run the command again',
      })
    return finished
  }
}

/** What ip(8) and bridge(8) say if something changed while they read, so that they may have missed it, or something else. */
const INTERRUPTED = /^Dump was interrupted.*\n?/gm

/** How often to read again: on a busy host something changes often, and what it is mostly does not matter here. */
const TRIES = 10

/** Reads again what was interrupted by a change. */
function consistent(launch: Launch): Launch {
  return async (...given) => {
    for (let tries = 1; ; tries++) {
      const finished = await launch(...given)
      const stderr = finished.stderr.replaceAll(INTERRUPTED, '')
      if (stderr === finished.stderr || tries === TRIES) return { ...finished, stderr }
    }
  }
}

/** Reads one namespace; undefined if it has vanished meanwhile, or is not a namespace. */
async function readNetns(launch: Launch, netns: string): Promise<string[] | undefined> {
  const { code, stdout } = await launch(netns, ['ip', '-j', '-d', '-batch', '-'], READ_BATCH)
  return code === 0 ? stdout.trimEnd().split('\n') : undefined
}

async function readHost(launch: Launch): Promise<string[]> {
  const { code, stdout, stderr } = await launch(undefined, ['ip', '-j', '-d', '-batch', '-'], READ_BATCH)
  if (code !== 0) throw new CnilabError('state', `could not read the network: ${stderr.trim()}`)
  return stdout.trimEnd().split('\n')
}

/** Reads some links of the host; leaves out those that do not exist. */
async function readLinks(launch: Launch, names: readonly string[], forwarding: boolean): Promise<string[]> {
  if (names.length === 0) return []
  const links = names.map((name) => `address show dev ${name}\n`)
  const batch = [...links, ...(forwarding ? ['netconf show\n'] : [])].join('')
  const { stdout, stderr } = await launch(undefined, ['ip', '-j', '-d', '-force', '-batch', '-'], batch)
  // A failed read must not be taken for a missing link, and the link created again.
  const trouble = stderr.split('\n').find((line) => !/^$|does not exist|^Command failed/.test(line))
  if (trouble !== undefined) throw new CnilabError('state', `could not read the network: ${trouble}`)
  const documents = stdout.split('\n').filter((line) => line.startsWith('[{'))
  const netconf = forwarding ? documents.pop() : undefined
  return [`[${documents.map((line) => line.slice(1, -1)).join(',')}]`, '[]', netconf ?? '[]']
}

async function readVlans(launch: Launch, netns: string | undefined): Promise<Vlans> {
  const { code, stdout } = await launch(netns, ['bridge', '-j', '-compressvlans', 'vlan', 'show'])
  return code === 0 ? parseVlans(stdout) : new Map()
}

async function readTables(launch: Launch, tables: readonly string[], terse: boolean): Promise<NftObject[]> {
  const list = ['nft', ...(terse ? ['-t'] : []), '-j', 'list', 'table']
  const read = await Promise.all(tables.map((table) => launch(undefined, [...list, ...table.split(' ')])))
  return read.flatMap(({ code, stdout, stderr }) => {
    if (code === 0) return parseRuleset(stdout)
    // The second message means that the kernel has no nftables.
    if (/No such file or directory|Unable to initialize Netlink socket/.test(stderr)) return []
    throw new CnilabError('state', `could not read the nftables rules: ${stderr.trim()}`)
  })
}

async function readRules(launch: Launch, netns: string | undefined): Promise<NftObject[]> {
  const { code, stdout, stderr } = await launch(netns, ['nft', '-j', 'list', 'ruleset'])
  // A namespace may vanish meanwhile.
  if (code !== 0 && netns !== undefined && /cannot open/.test(stderr)) return []
  if (code !== 0) throw new CnilabError('state', `could not read the nftables rules: ${stderr.trim()}`)
  return parseRuleset(stdout)
}

async function readSysctls(
  host: Host,
  launch: Launch,
  keys: readonly string[],
  netns: string | undefined,
): Promise<Record<string, string>> {
  if (keys.length === 0) return {}
  if (netns === undefined && host.enter.length === 0) return readOwnSysctls(keys)
  const { code, stdout, stderr } = await launch(netns, ['sysctl', '-e', ...new Set(keys)])
  // A namespace may vanish meanwhile; a key that the kernel does not have is left out.
  if (code !== 0 && !(netns !== undefined && /cannot open/.test(stderr)))
    throw new CnilabError('state', `could not read the settings of the kernel: ${stderr.trim()}`)
  return parseSysctls(stdout)
}

/**
 * Reads the sysctls of our own namespace, without another process. Throws if one is unreadable: if it were taken for missing,
 * undo would not restore it.
 */
function readOwnSysctls(keys: readonly string[]): Record<string, string> {
  const files = keys.map((key) => [key, key.replaceAll(/[./]/g, (c) => (c === '.' ? '/' : '.'))] as const)
  return Object.fromEntries(
    files.flatMap(([key, file]) => {
      try {
        return [[key, readText(`/proc/sys/${file}`).trim().replaceAll(/\s+/g, ' ')]]
      } catch (error) {
        if (!(error instanceof UnreadableError) || error.code === 'ENOENT') return []
        throw new CnilabError('state', `could not read ${key}: ${error.message}`, { cause: error })
      }
    }),
  )
}

/** Up to this many namespaces get a process each; beyond that, xargs takes over. */
const FEW = 3
/** How long reading a chunk of them may take, in seconds. */
const LONGEST = 30

/** How many namespaces to read before parsing them and freeing the text: a thousand make some 20 MB of JSON. */
const CHUNK = 100

async function readNamespaces(
  settings: Settings,
  names: readonly string[],
  files: ReadonlyMap<string, NetnsFile>,
): Promise<Map<string, Namespace>> {
  const { host, launch } = settings
  const read = new Map<string, Namespace>()
  for (let at = 0; at < names.length; at += CHUNK) {
    const some = names.slice(at, at + CHUNK)
    const documents =
      some.length <= FEW || some.some((name) => name.startsWith('/'))
        ? await Promise.all(some.map((name) => readNetns(launch, name)))
        : await readMany(host, launch, some)
    const rest = await Promise.all(some.map((name) => readSettings(settings, name)))
    for (const [i, name] of some.entries()) {
      const own = documents[i]
      if (own)
        read.set(name, parseNamespace(own, { ...(files.get(name) ?? nowhere), rules: [], sysctls: {}, ...rest[i] }))
    }
  }
  return read
}

const nowhere = { inode: 0, since: 0 }

/**
 * Runs two xargs in parallel, each with its own pipe, so that outputs do not mix. If a namespace vanishes meanwhile and so
 * leaves a gap, it reads each one separately.
 */
async function readMany(host: Host, launch: Launch, names: readonly string[]): Promise<(string[] | undefined)[]> {
  const half = Math.ceil(names.length / 2)
  const lines = await withFiles(host, new Map([['read', [READ_BATCH]]]), async (folder) => {
    const chunk = async (part: readonly string[]) => {
      const enter = ['xargs', '-0', '-I{}', 'nsenter', '--net=/run/netns/{}', '--']
      const argv = [...enter, 'ip', '-j', '-d', '-batch', `${folder}/read`]
      const { stdout } = await spawnOn(host, undefined, argv, { input: part.join('\0'), limit: LONGEST })
      return stdout.trimEnd().split('\n')
    }
    return (await Promise.all([chunk(names.slice(0, half)), chunk(names.slice(half))])).flat()
  })
  if (lines.length !== names.length * READ_DOCUMENTS) return Promise.all(names.map((name) => readNetns(launch, name)))
  return names.map((_, i) => lines.slice(i * READ_DOCUMENTS, (i + 1) * READ_DOCUMENTS))
}
