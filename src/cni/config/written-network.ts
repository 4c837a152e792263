import { extname } from 'node:path'
import { configNamesIn, readConfigFile } from './config-file.ts'
import { withListKeys, withPluginKeys } from '../protocol/go-keys.ts'
import { atLeast, isVersion, OLDEST, VERSIONS } from '../protocol/versions.ts'
import { asList, asObject, asString, type JsonObject } from './check-keys.ts'
import { type JsonSource, type Path, readJsonSource } from './json-source.ts'

/** The extensions of files that runtimes read. */
const ENDINGS = ['.conf', '.conflist', '.json']

/** Whether runtimes read a file of this name as a configuration. */
export function isConfigName(name: string): boolean {
  return ENDINGS.includes(extname(name))
}

/** The names of the files in a directory that runtimes read, in their order; empty if there is no directory. Throws CnilabError. */
export function configFileNames(folder: string): string[] {
  return configNamesIn(folder, (entry) => !entry.isDirectory() && isConfigName(entry.name))
}

/** A plugin of a network, and its place in the file. */
interface NetworkPlugin {
  path: Path
  config: JsonObject
}

/** A network's configuration as written in a file, valid or not, with places; a valid one becomes a `Network`. */
export interface WrittenNetwork {
  file: string
  /** Whether it is a list of plugins. */
  isList: boolean
  name?: string
  /** The version that a runtime uses: the newest known one in `cniVersions`, or `cniVersion`. */
  version: string
  plugins: readonly NetworkPlugin[]
  config: JsonObject
  source: JsonSource
  miswritten: readonly Miswritten[]
}

/** A key that is written in other capitals than it should be, and how it should be written. */
interface Miswritten {
  path: Path
  meant: string
}

/** A file that is not a JSON object, with where and why. */
export interface UnreadableConfig {
  file: string
  line: number
  column: number
  wrong: string
}

/** Reads a configuration file. Never throws: if it cannot, it returns why. */
export function readWrittenNetwork(file: string): WrittenNetwork | UnreadableConfig {
  let text: string
  try {
    text = readConfigFile(file)
  } catch (error) {
    return { file, line: 1, column: 1, wrong: error instanceof Error ? error.message : String(error) }
  }
  const source = readJsonSource(text)
  if ('message' in source)
    return { file, line: source.line, column: source.column, wrong: `not JSON: ${source.message}` }
  const written = asObject(source.json)
  if (!written) return { file, line: 1, column: 1, wrong: 'not a JSON object: a configuration is one, in { }' }
  const [ofList, ofPlugin]: [Miswritten[], Miswritten[]] = [[], []]
  const list = withListKeys(written, (path, meant) => ofList.push({ path, meant }))
  const single = withPluginKeys(written, (path, meant) => ofPlugin.push({ path, meant }))
  const isList = extname(file) === '.conflist' || (!('type' in single) && 'plugins' in list)
  const config = isList ? list : single
  const name = asString(config['name'])
  const plugins = isList
    ? asList(config['plugins']).map((plugin, i) => ({ path: ['plugins', i], config: asObject(plugin) ?? {} }))
    : [{ path: [], config }]
  const miswritten = isList ? ofList : ofPlugin
  const version = effectiveVersion(config)
  return { file, isList, ...(name ? { name } : {}), version, plugins, config, source, miswritten }
}

function effectiveVersion(config: JsonObject): string {
  const given = asList(config['cniVersions']).flatMap((one) => (typeof one === 'string' && isVersion(one) ? [one] : []))
  const single = asString(config['cniVersion']) || OLDEST
  if (!isVersion(single)) return single
  return VERSIONS.findLast((one) => given.includes(one) && atLeast(one, single)) ?? single
}

/**
 * Why runtimes cannot load a network, in one line; undefined if they can. Does not look for the plugins, or at what they
 * accept.
 */
export function whyNotLoaded(network: WrittenNetwork | UnreadableConfig): string | undefined {
  if ('wrong' in network) return `line ${network.line}, column ${network.column}: ${network.wrong}`
  const { file, isList, name, plugins, config } = network
  const isListFile = extname(file) === '.conflist'
  if (isList && !isListFile) return 'it is a list of plugins, which must be named .conflist'
  if (!isList && isListFile) return 'it has no "plugins"'
  if (name === undefined && isListFile) return 'it has no "name"'
  if (isList && plugins.length === 0)
    return 'type' in config ? 'it is a single plugin, which must be named .conf' : 'it has no "plugins"'
  const untyped = plugins.findIndex((plugin) => !asString(plugin.config['type']))
  if (untyped >= 0) return isList ? `plugin ${untyped + 1} has no "type"` : 'it has no "type"'
  return undefined
}
