import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
  utimesSync,
} from 'node:fs'
import { join, relative } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { APP, type Host } from '../../kernel/host.ts'
import { packageFolder } from '../../kernel/package-folder.ts'

/** Directories of the machine that every sandbox has. */
const SHARED = ['/usr', '/opt/cni', '/nix/store']

/** How many bytes of programs to copy at most: the user's runtime directory may be in memory. */
const MAX_SIZE = 1024 ** 3

/**
 * Makes a directory of programs on the machine, such as one in CNI_PATH, visible to a host, and returns its path there. A
 * sandbox has the system's directories and cnilab's own; from any other, it copies the programs in, all or only `names`. The
 * path of a missing directory stays as it is. Throws CnilabError `state` if there is no room.
 */
export function bringPrograms(host: Host, folder: string, names?: readonly string[]): string {
  if (host.inside) return folder
  const real = realFolder(folder)
  if (real === undefined || SHARED.some((shared) => isWithin(real, shared))) return folder
  const own = join(realpathSync(packageFolder()), 'dist')
  if (isWithin(real, own)) return join(APP.package, 'dist', relative(own, real))
  const name = join('programs', real) // so that messages name the folder
  try {
    copyAll(real, join(host.batches.folder, name), names)
  } catch (error) {
    throw new CnilabError('state', `cannot copy the programs in ${folder} into the sandbox: ${String(error)}`, {
      fix: 'copy them to a folder that every sandbox has, such as /opt/cni/bin',
    })
  }
  return join(host.batches.seen, name)
}

function realFolder(folder: string): string | undefined {
  try {
    return statSync(folder).isDirectory() ? realpathSync(folder) : undefined
  } catch {
    return undefined
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

/** How large a file may be that is no program, in bytes: it is there to be found and named. */
const SMALL = 1024 ** 2

/** Copies programs that are new or have changed. One with several names, like cnilab's own, stays one file with several names. */
function copyAll(from: string, to: string, names: readonly string[] = readdirSync(from)): void {
  const umask = process.umask(0o022) // root's sandbox belongs to another user
  try {
    mkdirSync(to, { recursive: true })
  } finally {
    process.umask(umask)
  }
  const copies = new Map<number, string>()
  let bytes = 0
  for (const name of names) {
    const file = join(from, name)
    const info = statSync(file, { throwIfNoEntry: false })
    if (info?.isFile() !== true || (info.size > SMALL && !isExecutable(file))) continue
    const copy = join(to, name)
    const twin = copies.get(info.ino)
    if (twin === undefined && (bytes += info.size) > MAX_SIZE)
      throw new Error(`they are larger than ${MAX_SIZE >> 20} MB`)
    copies.set(info.ino, copy)
    if (isUpToDate(copy, info)) continue
    rmSync(copy, { force: true }) // it may be running
    if (twin !== undefined) linkSync(twin, copy)
    else {
      copyFileSync(file, copy, constants.COPYFILE_FICLONE)
      chmodSync(copy, isExecutable(file) ? 0o755 : 0o644) // a plugin that is not executable is to be found so
      utimesSync(copy, info.mtime, info.mtime)
    }
  }
}

function isUpToDate(copy: string, { size, mtimeMs }: Stats): boolean {
  const info = statSync(copy, { throwIfNoEntry: false })
  return info?.size === size && Math.abs(info.mtimeMs - mtimeMs) < 2
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
