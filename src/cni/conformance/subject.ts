import { accessSync, chmodSync, constants, copyFileSync, existsSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { APP } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { makeFolder } from '../../kernel/make-folder.ts'
import { packageFolder } from '../../sandbox/create.ts'
import { type Config, ipamOf } from './configs.ts'

/** Where plugins are usually installed, and where cnilab's own are. */
function usualFolders(): string[] {
  const given = (process.env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return [...given, join(packageFolder(), 'dist', 'plugins'), '/opt/cni/bin', '/usr/lib/cni']
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return statSync(file).isFile()
  } catch {
    return false
  }
}

/** The executable that a path or a type names. Throws CnilabError `usage` if there is none. */
export function findPlugin(plugin: string): string {
  const candidates = plugin.includes('/') ? [resolve(plugin)] : usualFolders().map((folder) => join(folder, plugin))
  const found = candidates.find(isExecutable)
  if (found !== undefined) return found
  const [only = ''] = candidates
  if (plugin.includes('/'))
    throw new CnilabError('usage', `${only} ${existsSync(only) ? 'cannot be executed' : 'does not exist'}`)
  throw new CnilabError('usage', `there is no plugin '${plugin}' in ${usualFolders().join(', ')}`, {
    fix: 'give the path to its executable, or set CNI_PATH to the folder that it is in',
  })
}

/** A plugin's executable and the folders for delegation, all as the sandbox sees them. */
export interface Visible {
  file: string
  path: string[]
}

/**
 * Makes an executable visible in a sandbox, which has folders of its own over /tmp, /run and /var/lib. What it cannot see
 * is copied to where it can, with the IPAM plugin that the configuration names, if that is a neighbour.
 */
export async function makeVisible(kernel: Kernel, file: string, config: Config): Promise<Visible> {
  const isSeen = async (path: string) => (await kernel.probe(['test', '-f', path, '-a', '-x', path])).code === 0
  const others = ['/opt/cni/bin', '/usr/lib/cni', join(APP.package, 'dist', 'plugins')]
  const inPackage = relative(packageFolder(), file)
  const candidates = [file, ...(inPackage.startsWith('..') ? [] : [join(APP.package, inPackage)])]
  for (const candidate of candidates)
    if (await isSeen(candidate)) return { file: candidate, path: [...new Set([dirname(candidate), ...others])] }
  const { folder, seen } = kernel.host.batches
  const copies = 'conformance-plugins'
  makeFolder(join(folder, copies))
  chmodSync(join(folder, copies), 0o755)
  for (const name of [basename(file), ipamOf(config) ?? '']) {
    const from = join(dirname(file), name)
    if (name === '' || !isExecutable(from)) continue
    copyFileSync(realpathSync(from), join(folder, copies, name))
    chmodSync(join(folder, copies, name), 0o755)
  }
  const copy = join(seen, copies, basename(file))
  if (!(await isSeen(copy)))
    throw new CnilabError('usage', `${file} cannot be made visible in a sandbox`, {
      fix: 'copy it to a folder that everybody may read, such as /opt/cni/bin',
    })
  return { file: copy, path: [dirname(copy), ...others] }
}
