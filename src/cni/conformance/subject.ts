import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { APP } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { packageFolder } from '../../kernel/package-folder.ts'
import { bringPrograms } from '../programs/copy-in.ts'
import { defaultFolders, pluginFile } from '../programs/find-plugin.ts'
import { type Config, ipamTypeOf } from './configs.ts'

/** The directories where plugins usually are, and cnilab's own. */
function usualFolders(): string[] {
  const given = (process.env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return [...given, ...defaultFolders(packageFolder())]
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
export function findSubject(plugin: string): string {
  const file = plugin.includes('/') ? resolve(plugin) : pluginFile(plugin, usualFolders())
  if (file !== undefined && isExecutable(file)) return file
  if (file !== undefined)
    throw new CnilabError('usage', `${file} ${existsSync(file) ? 'is not executable' : 'does not exist'}`)
  throw new CnilabError('usage', `there is no plugin '${plugin}' in ${usualFolders().join(', ')}`, {
    fix: 'pass the path of its executable, or set CNI_PATH to its folder',
  })
}

/** A plugin's executable and the directories for delegation, as the sandbox sees them. */
export interface VisiblePlugin {
  file: string
  path: string[]
}

/**
 * Makes a plugin's executable visible in a sandbox: unless the sandbox has its directory, copies it and the configuration's
 * IPAM plugin. Throws CnilabError `usage` if it cannot run there.
 */
export async function makeVisible(kernel: Kernel, file: string, config: Config): Promise<VisiblePlugin> {
  const names = [basename(file), ipamTypeOf(config) ?? ''].filter((name) => name !== '')
  const folder = bringPrograms(kernel.host, dirname(file), names)
  const seen = join(folder, basename(file))
  if ((await kernel.probe(['test', '-f', seen, '-a', '-x', seen])).code !== 0)
    throw new CnilabError('usage', `cannot run ${file} in a sandbox`, {
      fix: 'copy it to a folder that everybody may read, such as /opt/cni/bin',
    })
  return {
    file: seen,
    path: [...new Set([folder, '/opt/cni/bin', '/usr/lib/cni', join(APP.package, 'dist', 'plugins')])],
  }
}
