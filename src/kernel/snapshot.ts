import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { FORWARDING, REDIRECTS } from '../operations/sysctl.ts'
import {
  parseNamespace,
  parseNetnsIds,
  parseRuleset,
  parseSysctls,
  READ_BATCH,
  READ_DOCUMENTS,
} from '../state/parse.ts'
import { HOST, type Namespace, type NftObject, type State } from '../state/state.ts'
import { ambiguous } from '../state/topology.ts'
import { withFiles } from './files.ts'
import type { Host } from './host.ts'
import type { Launch } from './launcher.ts'
import { spawn } from './spawn.ts'

/** What a snapshot should hold besides the host's links, addresses and routes; without a scope it holds everything. */
export interface Scope {
  /** Namespaces to read; undefined for all. The others appear by name only. */
  namespaces: ReadonlySet<string> | undefined
  /** Sysctls to read on the host. */
  sysctls?: readonly string[]
  /** Whether to read the host's nftables rules. */
  rules?: boolean
}

const usual = [...Object.values(FORWARDING), REDIRECTS]

/** Reads the kernel: one process for the host's links, addresses and routes, one each for rules and sysctls, and few for the namespaces. */
export async function snapshot(host: Host, launch: Launch, scope?: Scope): Promise<State> {
  const names = await namespaceNames(host)
  const wanted = names.filter((name) => scope?.namespaces?.has(name) ?? true)
  const [own, rules, sysctls, inner] = await Promise.all([
    readHost(launch),
    (scope?.rules ?? scope === undefined) ? readRules(launch) : [],
    readSysctls(launch, scope ? (scope.sysctls ?? []) : usual),
    readNamespaces(host, launch, wanted),
  ])
  const state = new Map<string, Namespace | undefined>([
    [HOST, parseNamespace(own, { ...nowhere, rules, sysctls })],
    ...names.map((name) => [name, inner.get(name)] as const),
  ])
  for (const name of ambiguous(state)) {
    const namespace = state.get(name)
    const { code, stdout } = await launch(name === HOST ? undefined : name, ['ip', '-j', 'netns', 'list-id'])
    if (namespace && code === 0) state.set(name, { ...namespace, netnsIds: parseNetnsIds(stdout) })
  }
  return state
}

/** The names under /run/netns, sorted. */
export async function namespaceNames(host: Host): Promise<string[]> {
  try {
    return (await readdir(`${host.root}/run/netns`)).toSorted()
  } catch {
    return [] // the folder comes with the first namespace
  }
}

/** Undefined for a namespace that has vanished meanwhile, or a file that is none. */
async function readNetns(launch: Launch, netns: string): Promise<string[] | undefined> {
  const { code, stdout } = await launch(netns, ['ip', '-j', '-d', '-batch', '-'], READ_BATCH)
  return code === 0 ? stdout.trimEnd().split('\n') : undefined
}

async function readHost(launch: Launch): Promise<string[]> {
  const { code, stdout, stderr } = await launch(undefined, ['ip', '-j', '-d', '-batch', '-'], READ_BATCH)
  if (code !== 0) throw new CnilabError('state', `could not read the network: ${stderr.trim()}`)
  return stdout.trimEnd().split('\n')
}

async function readRules(launch: Launch): Promise<NftObject[]> {
  const { code, stdout, stderr } = await launch(undefined, ['nft', '-j', 'list', 'ruleset'])
  if (code !== 0) throw new CnilabError('state', `could not read the nftables rules: ${stderr.trim()}`)
  return parseRuleset(stdout)
}

async function readSysctls(launch: Launch, keys: readonly string[]): Promise<Record<string, string>> {
  if (keys.length === 0) return {}
  const { stdout } = await launch(undefined, ['sysctl', '-e', ...new Set(keys)])
  return parseSysctls(stdout)
}

/** How many namespaces are worth a process of their own before xargs takes over. */
const FEW = 3
/** How many namespaces are read before what was read is parsed and let go: a thousand hold some 20 MB of JSON. */
const CHUNK = 100

async function readNamespaces(host: Host, launch: Launch, names: readonly string[]): Promise<Map<string, Namespace>> {
  const read = new Map<string, Namespace>()
  for (let at = 0; at < names.length; at += CHUNK) {
    const some = names.slice(at, at + CHUNK)
    const documents =
      some.length <= FEW
        ? await Promise.all(some.map((name) => readNetns(launch, name)))
        : await readMany(host, launch, some)
    const files = await Promise.all(some.map((name) => fileOf(host, name)))
    for (const [i, name] of some.entries()) {
      const own = documents[i]
      if (own) read.set(name, parseNamespace(own, { ...(files[i] ?? nowhere), rules: [], sysctls: {} }))
    }
  }
  return read
}

const nowhere = { inode: 0, since: 0 }

/** What the namespace's file tells: its identity, and since when it has that name. */
async function fileOf(host: Host, name: string): Promise<Pick<Namespace, 'inode' | 'since'>> {
  try {
    const { ino, ctimeMs } = await stat(join(`${host.root}/run/netns`, name))
    return { inode: ino, since: ctimeMs }
  } catch {
    return nowhere
  }
}

/**
 * Two xargs side by side, each with a pipe of its own, so that no output is mixed. A namespace that vanished meanwhile
 * leaves a gap; then each is read by itself.
 */
async function readMany(host: Host, launch: Launch, names: readonly string[]): Promise<(string[] | undefined)[]> {
  const half = Math.ceil(names.length / 2)
  const lines = await withFiles(host, new Map([['read', [READ_BATCH]]]), async (folder) => {
    const chunk = async (part: readonly string[]) => {
      const argv = [
        'xargs',
        '-0',
        '-I{}',
        'nsenter',
        '--net=/run/netns/{}',
        '--',
        'ip',
        '-j',
        '-d',
        '-batch',
        `${folder}/read`,
      ]
      const { stdout } = await spawn([...host.enter, ...argv], part.join('\0'))
      return stdout.trimEnd().split('\n')
    }
    return (await Promise.all([chunk(names.slice(0, half)), chunk(names.slice(half))])).flat()
  })
  if (lines.length !== names.length * READ_DOCUMENTS) return Promise.all(names.map((name) => readNetns(launch, name)))
  return names.map((_, i) => lines.slice(i * READ_DOCUMENTS, (i + 1) * READ_DOCUMENTS))
}
