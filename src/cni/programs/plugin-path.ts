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

/** The executables of plugin types, and why others cannot be called. */
export interface FoundPrograms {
  files: ReadonlyMap<string, string>
  faults: ReadonlyMap<string, CnilabError>
}

/**
 * The executable of each plugin type: the first one in these directories, as the host sees them. `faults` has the error for
 * each that is missing, or that the kernel would not start; it names the directories and the plugins in them.
 */
export async function lookForPlugins(
  host: Host,
  types: readonly string[],
  folders: readonly string[],
): Promise<FoundPrograms> {
  const candidates = (type: string) => folders.map((folder) => `${folder}/${type}`)
  const there = await programsAmong(host, types.flatMap(candidates))
  const [files, faults] = [new Map<string, string>(), new Map<string, CnilabError>()]
  for (const type of types) {
    const all = candidates(type).filter((path) => there.has(path))
    const file = all.find((path) => there.get(path)?.isExecutable === true) ?? all[0]
    const wrong = file === undefined ? undefined : there.get(file)?.wrong
    if (file === undefined) faults.set(type, await notFound(host, type, folders))
    else if (wrong === undefined) files.set(type, file)
    else
      faults.set(
        type,
        new CnilabError('machine', `the plugin '${type}' cannot be started: ${file}: ${wrong}`, {
          fix: 'put a program for this machine in its place, or name another folder with --cni-path',
        }),
      )
  }
  return { files, faults }
}

/** Like `lookForPlugins`, but throws the first fault: CnilabError `machine`. */
export async function findPluginsOn(
  host: Host,
  types: readonly string[],
  folders: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { files, faults } = await lookForPlugins(host, types, folders)
  const [fault] = faults.values()
  if (fault) throw fault
  return files
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
