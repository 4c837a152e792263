import { extname } from 'node:path'
import { SINCE } from '../protocol/request.ts'
import { wrongNetworkName } from '../../operations/names.ts'
import { atLeast, isVersion, LATEST, OLDEST, VERSIONS } from '../protocol/versions.ts'
import { asText, checkKeys } from './check-keys.ts'
import { checkPlugin } from './check-plugin.ts'
import { LIST } from './keys.ts'
import type { Tell } from './mistake.ts'
import { nearest } from '../../nearest.ts'
import type { WrittenNetwork } from './written-network.ts'

/** Checks a single network: its form, name and version, and each plugin. */
export function checkNetwork(network: WrittenNetwork, tell: Tell): void {
  const { config, isList, version, plugins, source } = network
  for (const { path } of source.repeated)
    tell('warning', path, `"${String(path.at(-1))}" occurs twice`, { why: 'the last one counts', at: 'key' })
  checkForm(network, tell)
  checkName(network, tell)
  checkVersion(network, tell)
  // checkForm reports a list's "type".
  if (isList) checkKeys(config, { ...LIST, type: 'anything' }, [], 'a list of plugins', tell)
  for (const [index, plugin] of plugins.entries())
    checkPlugin(plugin.config, { path: plugin.path, index, version, isAlone: !isList }, tell)
}

function checkForm({ file, isList, config, plugins }: WrittenNetwork, tell: Tell): void {
  const isListFile = extname(file) === '.conflist'
  if (isList && !isListFile)
    tell('error', ['plugins'], `a list of plugins is in a file whose name ends in ${extname(file)}`, {
      why: 'runtimes expect a single plugin in such a file, and find no "type"',
      fix: 'name the file .conflist',
      at: 'key',
    })
  if (!isList && !asText(config['type']))
    tell('error', [], 'there is no "type" to say which plugin to call', { fix: 'for example: "type": "bridge"' })
  if (!isList && 'plugins' in config)
    tell('error', ['plugins'], '"plugins" and "type" exclude each other', {
      fix: 'a list has only "plugins"',
      at: 'key',
    })
  if (isList && 'type' in config)
    tell('error', ['type'], 'a list of plugins has no "type"', {
      fix: 'put the plugin into "plugins": [{ … }], or name the file .conf',
      at: 'key',
    })
  else if (isList && plugins.length === 0)
    tell('error', 'plugins' in config ? ['plugins'] : [], 'the list has no plugins', {
      fix: '"plugins": [{ "type": "bridge", … }]',
    })
}

function checkName({ name, config, isList }: WrittenNetwork, tell: Tell): void {
  if (name !== undefined) {
    const wrong = wrongNetworkName(name)
    if (wrong !== undefined) tell('error', ['name'], wrong)
    return
  }
  const what = config['name'] === undefined ? 'there is no "name"' : '"name" must be a string'
  tell('error', config['name'] === undefined ? [] : ['name'], what, {
    why: isList ? 'runtimes refuse the list' : 'plugins refuse to work without one',
    fix: 'for example: "name": "mynet"',
  })
}

function checkVersion({ config, version }: WrittenNetwork, tell: Tell): void {
  const given = config['cniVersion']
  if (given !== undefined && typeof given !== 'string')
    return tell('error', ['cniVersion'], '"cniVersion" must be a string', {
      fix: `for example: "cniVersion": "${LATEST}"`,
    })
  if (!isVersion(version)) {
    const near = nearest(version, VERSIONS)
    return tell('error', ['cniVersion'], `CNI ${version} is not a known version`, {
      fix: near === undefined ? `known versions are: ${VERSIONS.join(', ')}` : `did you mean "${near}"?`,
    })
  }
  if (given === undefined && config['cniVersions'] === undefined)
    return tell('warning', [], `there is no "cniVersion", which means ${OLDEST}`, {
      why: lacks(version),
      fix: `"cniVersion": "1.0.0"`,
    })
  const { CHECK = OLDEST } = SINCE
  if (!atLeast(version, CHECK))
    tell('warning', ['cniVersion'], `CNI ${version} is old`, {
      why: lacks(version),
      fix: '"cniVersion": "1.0.0", or the newest that your plugins support: cnilab cni plugins',
    })
}

/** What a version lacks, in words. */
function lacks(version: string): string {
  const results = isVersion(version) && !atLeast(version, '0.3.0') ? '; results name no interfaces (since 0.3.0)' : ''
  return `it has no CHECK (since ${SINCE.CHECK}), GC and STATUS (since ${SINCE.GC})${results}`
}
