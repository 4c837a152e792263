import * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import { parseGiven } from '../protocol/given-json.ts'
import { wrongNetworkName } from '../../operations/names.ts'
import { atLeast, isVersion, OLDEST, type Version, VERSIONS } from '../protocol/versions.ts'

/** The configuration of one plugin of a network, as it was written. */
export type PluginConfig = Readonly<Record<string, unknown>> & { type: string }

/** A network that can be run: what a `.conflist` says (CNI spec 1.1.0, "Configuration format"), or a `.conf` wrapped as one. */
export interface Network {
  name: string
  version: Version
  /** Whether CHECK is not to be sent to its plugins. */
  disableCheck: boolean
  /** Whether GC is not to be sent to its plugins. */
  disableGC: boolean
  /** In the order of ADD; at least one. */
  plugins: readonly PluginConfig[]
  /** The complete configuration list as text, for the cache: with the plugins that a folder gave. */
  text: string
}

/** libcni also takes the words. */
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
    .refine((type) => type !== '' && !type.includes('/'), '"type" is not the name of a plugin: it must not hold a /'),
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

/** Parses a text. Throws an Error that says in one line what is wrong. */
function parse<T>(schema: z.ZodType<T>, text: string): T {
  if (text.trim() === '') throw new Error('it is empty')
  const json = parseGiven(text)
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.join('.') ?? ''
  const message = issue?.message ?? 'it is no configuration'
  throw new Error(where === '' || message.includes(`"${where}"`) ? message : `${where}: ${message}`)
}

/** The newest version that the configuration names and we speak. Throws Error if there is none. */
function versionOf(given: string | undefined, others: readonly string[] = []): Version {
  const named = [given ?? '', ...others].filter((version) => version !== '')
  if (named.length === 0) return OLDEST
  const [best] = named.filter(isVersion).toSorted((a, b) => (atLeast(a, b) ? -1 : 1))
  if (best === undefined)
    throw new Error(`cniVersion ${named.join(', ')} is not among those that cnilab speaks: ${VERSIONS.join(', ')}`)
  return best
}

/** The configuration of one plugin, of a file in a network's folder. Throws Error. */
export function parsePlugin(text: string): PluginConfig {
  return parse(pluginSchema, text)
}

/**
 * A network from the text of a `.conflist`. `folder` gives the plugins in the folder named like it, which follow those of
 * the list itself unless that says `loadOnlyInlinedPlugins`. Throws Error.
 */
export function parseList(text: string, folder: (name: string) => readonly PluginConfig[] = () => []): Network {
  const list = parse(listSchema, text)
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
    version: versionOf(list.cniVersion, list.cniVersions),
    disableCheck: list.disableCheck,
    disableGC: list.disableGC,
    plugins,
    text: more.length === 0 ? text : JSON.stringify({ ...list, plugins, loadOnlyInlinedPlugins: true }),
  }
}

/** The network of a cached attachment; undefined if what the cache has is no configuration. */
export function cachedNetwork({ config }: { config: string }): Network | undefined {
  try {
    return parseList(config)
  } catch {
    return undefined
  }
}

/** A network from the text of a `.conf` or `.json` with one plugin, as if a list held it. Throws Error. */
export function parseSingle(text: string): Network {
  const json = text.trim() === '' ? undefined : parseGiven(text)
  if (typeof json === 'object' && json !== null && 'plugins' in json)
    throw new Error('it holds a list of plugins: give the file a name that ends in .conflist')
  const plugin = parse(singleSchema, text)
  const { name: network, cniVersion } = plugin
  return parseList(JSON.stringify({ name: network, cniVersion, plugins: [plugin], loadOnlyInlinedPlugins: true }))
}

/** The network that there is without any file: a bridge with addresses, and a way out. */
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

/** Refuses a command that the network's version does not have: CnilabError `usage`. */
export function requireVersion(network: Network, command: string, since: Version): void {
  if (!atLeast(network.version, since))
    throw new CnilabError(
      'usage',
      `the network ${network.name} is configured with cniVersion ${network.version}, and ${command} came with ${since}`,
      { fix: `set "cniVersion" in its configuration to ${since} or newer, if its plugins know that` },
    )
}
