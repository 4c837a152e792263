import { join } from 'node:path'
import { asObject, asString } from './check-keys.ts'
import { type PluginExplanation, explain } from './explain.ts'
import {
  configFileNames,
  type WrittenNetwork,
  readWrittenNetwork,
  type UnreadableConfig,
  whyNotLoaded,
} from './written-network.ts'
import { pluginFile } from '../programs/find-plugin.ts'

/** A configuration file, as runtimes read it. */
export interface ConfigFile {
  file: string
  name?: string
  version?: string
  plugins: readonly PluginExplanation[]
  /** Why runtimes cannot load it. */
  wrong?: string
  /** Types that it needs and that are in no plugin directory. */
  missing: readonly string[]
}

/** The file that each runtime uses, and why, or why none. */
export interface Choices {
  containerd: { file?: string; files?: readonly string[]; why: string }
  crio: { file?: string; why: string }
  /** libcni's own search, by name: cnitool, Podman. */
  byName: readonly { name: string; file: string }[]
  /** A broken file at which every search by name ends. */
  stops?: string
}

/**
 * Reads the configurations in a directory, sorted by name as runtimes do, and says which one each runtime uses. `folders` are
 * the plugin directories, `maxConfNum` how many files containerd is set to take, 0 for all. Throws CnilabError `machine` if the directory cannot be read; if there is none, there are no files.
 */
export function readConfigs(
  folder: string,
  folders: readonly string[],
  maxConfNum = 1,
): { files: ConfigFile[]; choices: Choices } {
  const networks = configFileNames(folder).map((name) => readWrittenNetwork(join(folder, name)))
  const files = networks.map((network) => describe(network, folders))
  return { files, choices: { containerd: containerd(files, maxConfNum), crio: crio(files), ...byName(files) } }
}

function describe(network: WrittenNetwork | UnreadableConfig, folders: readonly string[]): ConfigFile {
  const wrong = whyNotLoaded(network)
  if ('wrong' in network)
    return { file: network.file, plugins: [], missing: [], ...(wrong === undefined ? {} : { wrong }) }
  const { file, name, version, plugins } = network
  const types = plugins.flatMap(({ config }) => [
    asString(config['type']),
    asString(asObject(config['ipam'])?.['type']),
  ])
  const missing = types.flatMap((type) => (type && pluginFile(type, folders) === undefined ? [type] : []))
  return {
    file,
    ...(name === undefined ? {} : { name }),
    version,
    plugins: plugins.map(({ config }) => explain(config)),
    ...(wrong === undefined ? {} : { wrong }),
    missing: [...new Set(missing)],
  }
}

/** go-cni uses the first files, mostly one; if one of them is broken, there is no network at all. */
function containerd(files: readonly ConfigFile[], most: number): Choices['containerd'] {
  const taken = most === 0 ? files : files.slice(0, most)
  const [first] = taken
  if (!first) return { why: 'no file: nodes stay NotReady, "cni plugin not initialized"' }
  const broken = taken.find(({ wrong }) => wrong !== undefined)
  if (broken)
    return {
      why: `none: ${taken.length === 1 ? 'the first file, ' : 'one of those that it takes, '}${broken.file}, is broken, and containerd does not look further`,
    }
  if (most !== 1)
    return {
      file: first.file,
      files: taken.map(({ file }) => file),
      why: `${most === 0 ? 'all files' : `the first ${taken.length}`}, as max_conf_num is ${most}: containers get an interface of each`,
    }
  const isLoopback = first.plugins.length > 0 && first.plugins.every(({ type }) => type === 'loopback')
  return {
    file: first.file,
    why: `the first file in sorted order${isLoopback ? '; it is only loopback, so containers get no other network' : ''}`,
  }
}

/** ocicni skips files that are broken or lack a plugin. */
function crio(files: readonly ConfigFile[]): Choices['crio'] {
  const taken = files.find(
    ({ wrong, plugins, missing }) => wrong === undefined && !plugins.some(({ type }) => missing.includes(type)),
  )
  if (taken) return { file: taken.file, why: 'the first valid file whose plugins are installed' }
  return { why: files.length === 0 ? 'no file' : 'none: every file is broken, or lacks a plugin' }
}

/** libcni searches the lists, then the single plugins, and stops at the first broken file. */
function byName(files: readonly ConfigFile[]): Pick<Choices, 'byName' | 'stops'> {
  const isList = ({ file }: ConfigFile) => file.endsWith('.conflist')
  const inOrder = [...files.filter(isList), ...files.filter((one) => !isList(one))]
  const broken = inOrder.findIndex(({ wrong }) => wrong !== undefined)
  const searched = broken < 0 ? inOrder : inOrder.slice(0, broken)
  const found = searched.filter(
    ({ name }, i) => name !== undefined && searched.findIndex((other) => other.name === name) === i,
  )
  const stops = inOrder[broken]?.file
  return {
    byName: found.flatMap(({ name, file }) => (name === undefined ? [] : [{ name, file }])),
    ...(stops === undefined ? {} : { stops }),
  }
}
