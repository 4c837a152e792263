import { extname } from 'node:path'
import { SINCE } from '../protocol/request.ts'
import { wrongNetworkName } from '../../rules/names.ts'
import { atLeast, isVersion, LATEST, OLDEST, VERSIONS } from '../protocol/versions.ts'
import { asString, checkKeys } from './check-keys.ts'
import { checkPlugin } from './check-plugin.ts'
import { LIST } from '../protocol/keys.ts'
import type { ReportMistake } from './mistake.ts'
import { nearest } from '../../nearest.ts'
import type { WrittenNetwork } from './written-network.ts'

/** Checks a single network: its form, name and version, and each plugin. */
export function checkNetwork(network: WrittenNetwork, report: ReportMistake): void {
  const { config, isList, version, plugins, source, miswritten } = network
  for (const { path, meant } of miswritten)
    report('warning', path, `"${String(path.at(-1))}" should be written "${meant}"`, {
      why: 'plugins written in Go accept it anyway, as ours do, but others may not',
      at: 'key',
    })
  for (const { path } of source.repeated)
    report('warning', path, `"${String(path.at(-1))}" occurs twice`, { why: 'the last one counts', at: 'key' })
  checkForm(network, report)
  checkName(network, report)
  checkVersion(network, report)
  // checkForm reports a list's "type".
  if (isList) checkKeys(config, { ...LIST, type: 'anything' }, [], 'a list of plugins', report)
  for (const [index, plugin] of plugins.entries())
    checkPlugin(plugin.config, { path: plugin.path, index, version, isAlone: !isList }, report)
}

function checkForm({ file, isList, config, plugins }: WrittenNetwork, report: ReportMistake): void {
  const isListFile = extname(file) === '.conflist'
  if (isList && !isListFile)
    report('error', ['plugins'], `a list of plugins is in a file whose name ends in ${extname(file)}`, {
      why: 'runtimes expect a single plugin in such a file, and find no "type"',
      fix: 'name the file .conflist',
      at: 'key',
    })
  if (!isList && !asString(config['type']))
    report('error', [], 'there is no "type" to say which plugin to call', { fix: 'for example: "type": "bridge"' })
  if (!isList && 'plugins' in config)
    report('error', ['plugins'], '"plugins" and "type" exclude each other', {
      fix: 'a list has only "plugins"',
      at: 'key',
    })
  if (isList && 'type' in config)
    report('error', ['type'], 'a list of plugins has no "type"', {
      fix: 'put the plugin into "plugins": [{ … }], or name the file .conf',
      at: 'key',
    })
  else if (isList && plugins.length === 0)
    report('error', 'plugins' in config ? ['plugins'] : [], 'the list has no plugins', {
      fix: '"plugins": [{ "type": "bridge", … }]',
    })
}

function checkName({ name, config, isList }: WrittenNetwork, report: ReportMistake): void {
  if (name !== undefined) {
    const wrong = wrongNetworkName(name)
    if (wrong !== undefined) report('error', ['name'], wrong)
    return
  }
  const what = config['name'] === undefined ? 'there is no "name"' : '"name" must be a string'
  report('error', config['name'] === undefined ? [] : ['name'], what, {
    why: isList ? 'runtimes refuse the list' : 'plugins refuse to work without one',
    fix: 'for example: "name": "mynet"',
  })
}

function checkVersion({ config, version }: WrittenNetwork, report: ReportMistake): void {
  const given = config['cniVersion']
  if (given !== undefined && typeof given !== 'string')
    return report('error', ['cniVersion'], '"cniVersion" must be a string', {
      fix: `for example: "cniVersion": "${LATEST}"`,
    })
  if (!isVersion(version)) {
    const near = nearest(version, VERSIONS)
    return report('error', ['cniVersion'], `CNI ${version} is not a known version`, {
      fix: near === undefined ? `known versions are: ${VERSIONS.join(', ')}` : `did you mean "${near}"?`,
    })
  }
  if (given === undefined && config['cniVersions'] === undefined)
    return report('warning', [], `there is no "cniVersion", which means ${OLDEST}`, {
      why: lacks(version),
      fix: `"cniVersion": "1.0.0"`,
    })
  // 0.3.1 lacks CHECK, but is what vendors ship, and works.
  if (!atLeast(version, '0.3.1'))
    report('warning', ['cniVersion'], `CNI ${version} is old`, {
      why: lacks(version),
      fix: '"cniVersion": "1.0.0", or the newest that your plugins support: cnilab cni plugins',
    })
}

/** What a version lacks, in words. */
function lacks(version: string): string {
  const results = isVersion(version) && !atLeast(version, '0.3.0') ? '; results name no interfaces (since 0.3.0)' : ''
  return `it has no CHECK (since ${SINCE.CHECK}), GC and STATUS (since ${SINCE.GC})${results}`
}
