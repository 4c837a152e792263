import { join } from 'node:path'
import { asObject, asText } from './check-keys.ts'
import { type Explained, explain } from './explain.ts'
import { namesIn, type WrittenNetwork, readWrittenNetwork, type Unreadable, whyNotLoaded } from './written-network.ts'
import { pluginFile } from '../programs/find-plugin.ts'

/** A configuration's file, as runtimes read it. */
export interface ConfigFile {
  file: string
  name?: string
  version?: string
  plugins: readonly Explained[]
  /** Why runtimes cannot load it. */
  wrong?: string
  /** Types that it needs and that are in no folder of plugins. */
  missing: readonly string[]
}

/** The file that each runtime takes, or what it does in place of that. */
export interface Choices {
  containerd: { file?: string; why: string }
  crio: { file?: string; why: string }
  /** libcni's own search, by name: cnitool, Podman. */
  byName: readonly { name: string; file: string }[]
  /** A file because of which every search by name fails that has not been answered before. */
  stops?: string
}

/**
 * Reads the configurations of a folder, sorted by name as runtimes do, and says which each runtime takes. `folders` are
 * those of plugins. Throws CnilabError `machine` if the folder cannot be read; without one there are none.
 */
export function readConfigs(folder: string, folders: readonly string[]): { files: ConfigFile[]; choices: Choices } {
  const networks = namesIn(folder).map((name) => readWrittenNetwork(join(folder, name)))
  const files = networks.map((network) => describe(network, folders))
  return { files, choices: { containerd: containerd(files), crio: crio(files), ...byName(files) } }
}

function describe(network: WrittenNetwork | Unreadable, folders: readonly string[]): ConfigFile {
  const wrong = whyNotLoaded(network)
  if ('wrong' in network)
    return { file: network.file, plugins: [], missing: [], ...(wrong === undefined ? {} : { wrong }) }
  const { file, name, version, plugins } = network
  const types = plugins.flatMap(({ config }) => [asText(config['type']), asText(asObject(config['ipam'])?.['type'])])
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

/** go-cni takes the first file; if that is broken, there is no network at all. */
function containerd([first]: readonly ConfigFile[]): Choices['containerd'] {
  if (!first) return { why: 'no file: nodes stay NotReady, "cni plugin not initialized"' }
  return first.wrong === undefined
    ? { file: first.file, why: 'the first file in sorted order' }
    : { why: `none: the first file, ${first.file}, is broken, and it does not look further` }
}

/** ocicni passes over what is broken and what lacks a plugin. */
function crio(files: readonly ConfigFile[]): Choices['crio'] {
  const taken = files.find(
    ({ wrong, plugins, missing }) => wrong === undefined && !plugins.some(({ type }) => missing.includes(type)),
  )
  if (taken) return { file: taken.file, why: 'the first file that is right and whose plugins are installed' }
  return { why: files.length === 0 ? 'no file' : 'none: each file is broken, or lacks a plugin' }
}

/** libcni looks through the lists, then through the single plugins, and stops at the first that is broken. */
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
