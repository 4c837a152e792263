import * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import { parseUntrusted } from '../protocol/given-json.ts'
import { withListKeys, withPluginKeys } from '../protocol/go-keys.ts'
import { asObject, type JsonObject } from './check-keys.ts'
import { wrongNetworkName } from '../../rules/names.ts'
import { atLeast, isVersion, OLDEST, type Version, VERSIONS } from '../protocol/versions.ts'

/** The configuration of one plugin of a network. */
export type PluginConfig = Readonly<Record<string, unknown>> & { type: string }

/** A valid network: the content of a `.conflist` (CNI spec 1.1.0, "Configuration format"), or of a `.conf` turned into one. */
export interface Network {
  name: string
  version: Version
  /** Whether not to call its plugins for CHECK. */
  disableCheck: boolean
  /** Whether not to call its plugins for GC. */
  disableGC: boolean
  /** In the order of ADD; at least one. */
  plugins: readonly PluginConfig[]
  /** The complete configuration list as text, for the cache, including plugins from its directory. */
  text: string
}

/** A boolean; like libcni, also as a string. */
const yes = z
  .union([
    z.boolean(),
    z
      .string()
      .toLowerCase()
      .pipe(z.enum(['true', 'false']))
      .transform((word) => word === 'true'),
  ])
  .default(false)

const pluginSchema = z.looseObject({
  type: z
    .string('"type" is missing: it names the plugin')
    .refine(
      (type) => type !== '' && !type.includes('/'),
      '"type" is not the name of a plugin: it must not contain a /',
    ),
  capabilities: z.record(z.string(), z.boolean()).optional(),
})

const name = z.string('"name" is missing').superRefine((given, context) => {
  const wrong = wrongNetworkName(given)
  if (wrong !== undefined) context.addIssue(wrong)
})

const listSchema = z.looseObject({
  name,
  cniVersion: z.string().optional(),
  cniVersions: z.array(z.string()).optional(),
  disableCheck: yes,
  disableGC: yes,
  loadOnlyInlinedPlugins: yes,
  plugins: z.array(pluginSchema, '"plugins" is not a list').min(1, 'there are no plugins in "plugins"').optional(),
})

const singleSchema = pluginSchema.extend({ name, cniVersion: z.string().optional() })

/** Parses JSON with a schema. Throws an Error that says in one line what is wrong. */
function parse<T>(schema: z.ZodType<T>, text: string, withKnown: (json: JsonObject) => JsonObject): T {
  if (text.trim() === '') throw new Error('it is empty')
  const json = parseUntrusted(text)
  const object = asObject(json)
  const parsed = schema.safeParse(object ? withKnown(object) : json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  const message = issue?.message ?? 'it is not a configuration'
  throw new Error(where === '' || message.includes(`"${where}"`) ? message : `${where}: ${message}`)
}

/** The newest version that the configuration names and we support. Throws Error if there is none. */
function newestSupported(given: string | undefined, others: readonly string[] = []): Version {
  const named = [given ?? '', ...others].filter((version) => version !== '')
  if (named.length === 0) return OLDEST
  const [best] = named.filter(isVersion).toSorted((a, b) => (atLeast(a, b) ? -1 : 1))
  if (best === undefined)
    throw new Error(`cniVersion ${named.join(', ')} is not among those that cnilab supports: ${VERSIONS.join(', ')}`)
  return best
}

/** Parses the configuration of one plugin, from a file in a network's directory. Throws Error. */
export function parsePlugin(text: string): PluginConfig {
  return parse(pluginSchema, text, withPluginKeys)
}

/**
 * Parses a `.conflist`. `folder` returns the plugins in the directory of the network's name, which follow those of the list
 * itself unless that sets `loadOnlyInlinedPlugins`. Throws Error.
 */
export function parseList(text: string, folder: (name: string) => readonly PluginConfig[] = () => []): Network {
  const list = parse(listSchema, text, withListKeys)
  const more = list.loadOnlyInlinedPlugins ? [] : folder(list.name)
  const plugins = [...(list.plugins ?? []), ...more]
  if (plugins.length === 0)
    throw new Error(
      list.loadOnlyInlinedPlugins
        ? '"plugins" is missing'
        : `it has no "plugins", and there is no .conf in the folder ${list.name} next to it`,
    )
  return {
    name: list.name,
    version: newestSupported(list.cniVersion, list.cniVersions),
    disableCheck: list.disableCheck,
    disableGC: list.disableGC,
    plugins,
    text: more.length === 0 ? text : JSON.stringify({ ...list, plugins, loadOnlyInlinedPlugins: true }),
  }
}

/** The network of a cached attachment; undefined if the cache contains no valid configuration. */
export function cachedNetwork({ config }: { config: string }): Network | undefined {
  try {
    return parseList(config)
  } catch {
    return undefined
  }
}

/** Parses a `.conf` or `.json` with one plugin into a network. Throws Error. */
export function parseSingle(text: string): Network {
  const list = text.trim() === '' ? undefined : asObject(parseUntrusted(text))
  if (list && 'plugins' in withListKeys(list))
    throw new Error('it is a list of plugins: give the file a name that ends in .conflist')
  const plugin = parse(singleSchema, text, withPluginKeys)
  const { name: network, cniVersion } = plugin
  return parseList(JSON.stringify({ name: network, cniVersion, plugins: [plugin], loadOnlyInlinedPlugins: true }))
}

/** The built-in network: a bridge with addresses, and a way out. */
export const SEED = parseList(
  JSON.stringify({
    cniVersion: '1.1.0',
    name: 'mynet',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: true,
        ipam: { type: 'host-local', subnet: '10.22.0.0/16', routes: [{ dst: '0.0.0.0/0' }] },
      },
    ],
  }),
)

/** Throws CnilabError `usage` if the network's version does not have the command. */
export function requireVersion(network: Network, command: string, since: Version): void {
  if (!atLeast(network.version, since))
    throw new CnilabError(
      'usage',
      `the network ${network.name} has cniVersion ${network.version}, but ${command} exists since ${since}`,
      { fix: `set "cniVersion" in its configuration to ${since} or newer, if its plugins support that` },
    )
}
