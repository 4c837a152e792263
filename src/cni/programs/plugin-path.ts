import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { programsAmong, programsIn } from '../../kernel/host-files.ts'
import { APP, type Host } from '../../kernel/host.ts'
import { packageFolder } from '../../kernel/package-folder.ts'
import { statOf } from '../../kernel/read-file.ts'
import { defaultFolders } from './find-plugin.ts'

/** The plugin directories without CNI_PATH, as a host sees them: cnilab's own first. */
export function defaultPath(host: Host): string[] {
  const own = host.kind === 'sandbox' ? APP.package : packageFolder()
  return defaultFolders(own)
}

/**
 * The executable of each plugin type: the first one in these directories, as the host sees them. Throws CnilabError `machine`,
 * which names the directories and the plugins in them.
 */
export async function findPluginsOn(
  host: Host,
  types: readonly string[],
  folders: readonly string[],
): Promise<Map<string, string>> {
  const candidates = (type: string) => folders.map((folder) => `${folder}/${type}`)
  const there = await programsAmong(host, types.flatMap(candidates))
  const found = new Map<string, string>()
  for (const type of types) {
    const file = candidates(type).find((path) => there.has(path))
    if (file === undefined) throw await notFound(host, type, folders)
    found.set(type, file)
  }
  return found
}

/** Whether our package has a plugin of this type. */
function isShipped(type: string): boolean {
  return statOf(join(packageFolder(), 'dist', 'plugins', type))?.isFile() === true
}

async function notFound(host: Host, type: string, folders: readonly string[]): Promise<CnilabError> {
  const there = [...new Set((await Promise.all(folders.map((folder) => programsIn(host, folder)))).flat())].toSorted()
  return new CnilabError(
    'machine',
    `there is no plugin '${type}' in ${folders.join(', ')}; plugins there: ${there.join(', ') || 'none'}`,
    {
      fix: isShipped(type)
        ? 'cnilab cni install, or name another folder with --cni-path'
        : 'install it, which cnilab cannot: it has none of that type; or name its folder with --cni-path',
    },
  )
}
