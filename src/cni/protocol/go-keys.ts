import { isObject, type JsonObject } from '../../state/json.ts'
import { IPAM_TYPES, type Keys, LIST, lookup, PLUGIN, TYPES, type ValueKind } from './keys.ts'

/** A path in a document, as it is written there. */
type Path = readonly (string | number)[]

/** Told of each key that is written in other capitals than its plugin's documentation has. */
type Note = (path: Path, meant: string) => void

/**
 * JSON as plugins written in Go read it (encoding/json), and so as people and programs write it: known keys count without
 * regard to capitals, and null is the same as missing. Of a key that is there several times the last counts; if both are
 * objects, they are put together. Unknown keys stay as they are.
 */
export function withKeys(value: unknown, kind: ValueKind, note: Note = () => undefined, path: Path = []): unknown {
  if (typeof kind === 'string') return value
  if (Array.isArray(value))
    return 'listOf' in kind ? value.map((item, i) => withKeys(item, kind.listOf, note, [...path, i])) : value
  if (!isObject(value)) return value
  if ('mapOf' in kind) return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null))
  return 'keys' in kind ? withKnown(value, kind.keys, note, path) : value
}

function withKnown(object: JsonObject, keys: Keys, note: Note, path: Path): JsonObject {
  const meanings = new Map(Object.keys(keys).map((key) => [key.toLowerCase(), key]))
  const known = new Map<string, unknown>()
  for (const [written, item] of Object.entries(object)) {
    const key = Object.hasOwn(keys, written) ? written : meanings.get(written.toLowerCase())
    const own = [...path, written]
    if (key === undefined) known.set(written, item)
    else {
      if (key !== written) note(own, key)
      const value = withKeys(item, keys[key] ?? 'anything', note, own)
      if (value !== null) known.set(key, isObject(value) ? { ...asObject(known.get(key)), ...value } : value)
    }
  }
  return Object.fromEntries(known)
}

/** The configuration of a plugin, as a file has it, or as the plugin gets it from a runtime. */
export function withPluginKeys(config: JsonObject, note: Note = () => undefined, path: Path = []): JsonObject {
  const { type, ipam } = withKnown(config, { type: 'text', ipam: { keys: { type: 'text' } } }, () => undefined, path)
  const keys = lookup(TYPES, textOf(type))?.keys
  const ipamKeys = lookup(IPAM_TYPES, textOf(asObject(ipam)['type']))?.keys
  return withKnown(config, { ...PLUGIN, ...keys, ipam: { keys: { type: 'text', ...ipamKeys } } }, note, path)
}

/** A list of plugins. */
export function withListKeys(list: JsonObject, note: Note = () => undefined): JsonObject {
  const known = withKnown(list, LIST, note, [])
  const { plugins } = known
  if (!Array.isArray(plugins)) return known
  const [written = 'plugins'] = Object.keys(list).filter((key) => key.toLowerCase() === 'plugins')
  const all: unknown[] = plugins
  return {
    ...known,
    plugins: all.map((plugin, i) => (isObject(plugin) ? withPluginKeys(plugin, note, [written, i]) : plugin)),
  }
}

function asObject(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
