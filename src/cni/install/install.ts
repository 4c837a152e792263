import { chmodSync, closeSync, fsyncSync, linkSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { makeFolder } from '../../kernel/make-folder.ts'
import { types } from '../plugins/types.ts'
import { compile, proveSelfContained } from './compile.ts'
import { exclusively, explained, requireTrustOf, withUnfinished } from './folder.ts'
import { look } from './ours.ts'

/** What an installation made. */
export interface Installed {
  folder: string
  /** The names of the plugins, all of which are one file. */
  installed: readonly string[]
  /** Those whose place somebody else's file had, which is gone. */
  replaced: readonly string[]
  /** Size of the file. */
  bytes: number
}

/**
 * Compiles the plugins to one executable and puts it into a folder, which is made if there is none, by a hard link for
 * each type. It is made aside and renamed into its place: a runtime finds the old one or the new one, never a part, and
 * after a kill each name has one of them. With `force` files of others are replaced. Throws CnilabError: `state` where
 * there are such files without it, `machine` where it cannot be compiled or may not be written.
 */
export async function install(folder: string, force: boolean, signal: AbortSignal): Promise<Installed> {
  const names = Object.keys(types)
  try {
    requireTrustOf(folder)
    makeFolder(folder, 0o755)
    requireTrustOf(folder)
    return await exclusively(folder, () =>
      withUnfinished(folder, async (unfinished) => {
        findForeign(folder, names, force)
        const bytes = await make(unfinished, names, signal)
        const replaced = findForeign(folder, names, force) // others may have installed theirs meanwhile
        for (const name of names) renameSync(join(unfinished, name), join(folder, name))
        sync(folder)
        return { folder, installed: names, replaced, bytes }
      }),
    )
  } catch (error) {
    throw explained(folder, error)
  }
}

/** The names that somebody else's files have; throws CnilabError `state` if they may not be replaced, or cannot be. */
function findForeign(folder: string, names: readonly string[], force: boolean): string[] {
  const { foreign, folders } = look(folder, names)
  if (folders.length > 0)
    throw new CnilabError('state', `${folder} has folders with the names of plugins: ${folders.join(', ')}`, {
      fix: 'move them away first',
    })
  if (foreign.length === 0 || force) return foreign
  const files = foreign.length === 1 ? "a plugin that is not cnilab's" : "plugins that are not cnilab's"
  throw new CnilabError('state', `${folder} has ${files}: ${foreign.join(', ')}. Nothing was changed.`, {
    fix: 'another folder (--bin-dir DIR), or --force to replace them for good: no copy is kept',
  })
}

/** Makes the executable with all its names, and proves that it works. Returns its size in bytes. */
async function make(folder: string, names: readonly string[], signal: AbortSignal): Promise<number> {
  const file = join(folder, '.plugins')
  await compile(folder, file, signal)
  chmodSync(file, 0o755) // whatever the umask
  sync(file) // else after a power failure a name may lead to an empty file
  for (const name of names) linkSync(file, join(folder, name))
  await proveSelfContained(join(folder, names[0] ?? ''))
  return statSync(file).size
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
