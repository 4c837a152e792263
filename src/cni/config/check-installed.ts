import { types } from '../plugins/types.ts'
import { isVersion } from '../protocol/versions.ts'
import { askPlugin, type Introduction } from '../programs/ask-plugin.ts'
import { asObject, asString } from './check-keys.ts'
import { present } from './folders.ts'
import type { Path } from './json-source.ts'
import { TYPES } from '../protocol/keys.ts'
import type { ReportMistake } from './mistake.ts'
import { nearest } from '../../nearest.ts'
import type { WrittenNetwork } from './written-network.ts'
import { pluginFile } from '../programs/find-plugin.ts'
import { pluginNames, wrongFile } from '../programs/list.ts'

/** The plugins in some directories; `ask` asks each one only once. */
export interface InstalledPlugins {
  folders: readonly string[]
  ask: (file: string) => Promise<Introduction | string>
}

/** The plugins in these directories. */
export function installedIn(folders: readonly string[]): InstalledPlugins {
  const answers = new Map<string, Promise<Introduction | string>>()
  const ask = (file: string) => {
    const known = answers.get(file) ?? askPlugin(file)
    answers.set(file, known)
    return known
  }
  return { folders, ask }
}

/** Checks that a network's plugins are installed, and support its version. */
export async function checkInstalled(
  network: WrittenNetwork,
  installed: InstalledPlugins,
  report: ReportMistake,
): Promise<void> {
  const { folders } = installed
  if (present(folders).length === 0) {
    const [first] = network.plugins
    const named = network.plugins.map(({ config }) => asString(config['type']) ?? '')
    const areOurs = named.every((type) => Object.hasOwn(types, type))
    return report('warning', first ? [...first.path, 'type'] : [], 'did not check whether the plugins are installed', {
      why: `this machine has no folder ${folders.join(' or ')}`,
      fix: `name the folder with --bin-dir${areOurs ? '; cnilab cni install creates one, with our plugins' : ''}`,
    })
  }
  for (const { path, config } of network.plugins) {
    const type = asString(config['type'])
    const ipam = asString(asObject(config['ipam'])?.['type'])
    if (type) await checkOne(type, [...path, 'type'], network.version, installed, report)
    if (ipam) await checkOne(ipam, [...path, 'ipam', 'type'], network.version, installed, report)
  }
}

async function checkOne(
  type: string,
  path: Path,
  version: string,
  { folders, ask }: InstalledPlugins,
  report: ReportMistake,
) {
  if (/[/\\]/.test(type)) return
  const file = pluginFile(type, folders)
  if (file === undefined) {
    const names = [...folders.flatMap(pluginNames), ...Object.keys(TYPES)]
    const near = nearest(type, names)
    return report('error', path, `there is no plugin "${type}" in ${folders.join(' or ')}`, {
      why: 'no container can be attached to this network',
      fix:
        near === undefined || near === type
          ? `${Object.hasOwn(types, type) ? 'install it with cnilab cni install' : 'install it'}, or name its folder with --bin-dir`
          : `did you mean "${near}"?`,
    })
  }
  const wrong = wrongFile(file)
  if (wrong !== undefined) return report('error', path, `${file}: ${wrong}`)
  const answer = await ask(file)
  if (typeof answer === 'string') return report('error', path, `${file}: ${answer}`)
  if (!isVersion(version) || answer.speaks.includes(version)) return
  report('error', path, `${file} does not support CNI ${version}`, {
    why: `it supports ${answer.speaks.join(', ')}`,
    fix: `set cniVersion to ${answer.speaks.findLast(isVersion) ?? 'one of them'}, or install a newer plugin`,
  })
}
