import { CnilabError } from '../errors.ts'
import {
  parseNetnsIds,
  parseRouted,
  parseSysctls,
  parseVlans,
  READ_BATCH,
  READ_DOCUMENTS,
  type Vlans,
} from '../state/parse.ts'
import { parseRuleset } from '../state/parse-ruleset.ts'
import type { NftObject } from '../state/state.ts'
import { withFiles } from './files.ts'
import type { Host } from './host.ts'
import type { Launch } from './launcher.ts'
import { spawnOn } from './on-host.ts'
import type { Reader } from './snapshot.ts'
import { readSysctlFiles } from './sysctl-files.ts'
import { wasKilled } from './spawn.ts'

/** Reads with programs: one process for the host's links, addresses and routes, one each for rules and sysctls, and a few for namespaces. */
export function programReader(host: Host, launcher: Launch): Reader {
  const launch = consistent(toItsEnd(launcher))
  return {
    host: async () => parseRouted(await readHost(launch)),
    links: async (names, withForwarding) => parseRouted(await readLinks(launch, names, withForwarding)),
    namespaces: async (names) => {
      const documents =
        names.length <= FEW || names.some((name) => name.startsWith('/'))
          ? await Promise.all(names.map((name) => readNetns(launch, name)))
          : await readMany(host, launch, names)
      return documents.map((own) => own && parseRouted(own))
    },
    tables: (tables, withoutElements) => readTables(launch, tables, withoutElements),
    rules: (netns) => readRules(launch, netns),
    sysctls: (keys, netns) => readSysctls(host, launch, keys, netns),
    vlans: (netns) => readVlans(launch, netns),
    netnsIds: async (netns) => {
      const { code, stdout } = await launch(netns, ['ip', '-j', 'netns', 'list-id'])
      return code === 0 ? parseNetnsIds(stdout) : undefined
    },
  }
}

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
  if (netns === undefined && host.enter.length === 0) return readSysctlFiles(keys)
  const { code, stdout, stderr } = await launch(netns, ['sysctl', '-e', ...new Set(keys)])
  // A namespace may vanish meanwhile; a key that the kernel does not have is left out.
  if (code !== 0 && !(netns !== undefined && /cannot open/.test(stderr)))
    throw new CnilabError('state', `could not read the settings of the kernel: ${stderr.trim()}`)
  return parseSysctls(stdout)
}

/** Up to this many namespaces get a process each; beyond that, xargs takes over. */
const FEW = 3
/** How long reading a chunk of them may take, in seconds. */
const LONGEST = 30

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
