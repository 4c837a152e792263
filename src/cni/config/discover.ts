import type { Dirent } from 'node:fs'
import { extname, join } from 'node:path'
import { configNamesIn, readConfigFile } from './config-file.ts'
import { CnilabError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import { type Network, parseList, parsePlugin, parseSingle, type PluginConfig, SEED } from './network.ts'

/** The directory where libcni looks for configuration. */
const DEFAULT_FOLDER = '/etc/cni/net.d'

/** The content of a configuration directory. */
export interface DiscoveredNetworks {
  /** In libcni's order: lists by file name, then single plugins. */
  networks: { file: string; network: Network }[]
  /** Files that are not a configuration, and why. */
  bad: { file: string; why: string }[]
}

/** The files in a directory with these extensions, sorted by the bytes of their names; none if there is no directory. */
function filesIn(folder: string, endings: readonly string[]): string[] {
  const isWanted = (entry: Dirent) =>
    (entry.isFile() || entry.isSymbolicLink()) && endings.includes(extname(entry.name))
  return configNamesIn(folder, isWanted).map((name) => join(folder, name))
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The plugins in a network's own directory. Throws an Error that names the file. */
function pluginsIn(folder: string): PluginConfig[] {
  return filesIn(folder, ['.conf']).map((file) => {
    try {
      return parsePlugin(readConfigFile(file))
    } catch (error) {
      throw new Error(`${file}: ${messageOf(error)}`, { cause: error })
    }
  })
}

/** Reads all network configurations in a directory, like libcni's LoadNetworkConf, but continues after a bad file. */
export function discover(folder: string): DiscoveredNetworks {
  const found: DiscoveredNetworks = { networks: [], bad: [] }
  const read = (file: string, parse: (text: string) => Network) => {
    try {
      found.networks.push({ file, network: parse(readConfigFile(file)) })
    } catch (error) {
      found.bad.push({ file, why: messageOf(error) })
    }
  }
  for (const file of filesIn(folder, ['.conflist']))
    read(file, (text) => parseList(text, (name) => pluginsIn(join(folder, name))))
  for (const file of filesIn(folder, ['.conf', '.json'])) read(file, parseSingle)
  return found
}

/** A network that was found by its name, and what the user should know about the search. */
export interface FoundNetwork {
  network: Network
  notices: string[]
}

/**
 * Finds a network by its name. `folder` undefined means the default one, where the network `mynet` needs no file.
 * Throws CnilabError `usage`, which lists the networks that exist, and the bad files.
 */
export function findNetwork(name: string, folder: string | undefined): FoundNetwork {
  const where = folder ?? DEFAULT_FOLDER
  const { networks, bad } = discover(where)
  const skipped = bad.map(({ file, why }) => `skipped ${file}: ${why}`)
  const [first, ...more] = networks.filter(({ network }) => network.name === name)
  if (first) {
    const hidden = more.map(({ file }) => `${file} also has a network ${name}, but ${first.file} comes first`)
    return { network: first.network, notices: [...skipped, ...hidden] }
  }
  if (folder === undefined && name === SEED.name)
    return {
      network: SEED,
      notices: [...skipped, `no file in ${where} has ${name}: using the one built into cnilab`],
    }
  const names = [...new Set(networks.map(({ network }) => network.name))]
  const all = folder === undefined ? [...names, SEED.name] : names
  const near = nearest(name, all)
  const there = names.length === 0 ? `there is none in ${where}` : `those in ${where}: ${names.join(', ')}`
  throw new CnilabError('usage', [`there is no network '${name}'; ${there}`, ...skipped].join('\n  '), {
    fix:
      near === undefined
        ? 'write its configuration there, or name another folder with --conf-dir'
        : `did you mean ${near}${names.includes(near) ? '' : ', which is built in'}? To name another folder, use --conf-dir`,
  })
}
