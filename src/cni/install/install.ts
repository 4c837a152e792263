import { chmodSync, closeSync, fsyncSync, linkSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { makeFolder } from '../../kernel/make-folder.ts'
import { types } from '../plugins/types.ts'
import { compile, proveSelfContained } from './compile.ts'
import { whileLocked, explainError, requireTrustOf, withUnfinished } from './folder.ts'
import { findFiles } from './ours.ts'

/** The result of an installation. */
export interface InstallResult {
  folder: string
  /** The names of the plugins, all of which are one file. */
  installed: readonly string[]
  /** The names for which somebody else's file was replaced. */
  replaced: readonly string[]
  /** Size of the file, in bytes. */
  bytes: number
}

/**
 * Compiles the plugins into one executable and installs it into a directory, which is created if necessary, with a hard link
 * for each type. Atomic for each name: a runtime finds the old or the new file, never a part, even after a kill. With
 * `force` it replaces other people's files. Throws CnilabError: `state` if there are such files, `machine` if it cannot
 * compile or write.
 */
export async function install(folder: string, force: boolean, signal: AbortSignal): Promise<InstallResult> {
  const names = Object.keys(types)
  try {
    requireTrustOf(folder)
    makeFolder(folder, 0o755)
    requireTrustOf(folder)
    return await whileLocked(folder, () =>
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
    throw explainError(folder, error)
  }
}

/** The names that other people's files have. Throws CnilabError `state` unless they can and may be replaced. */
function findForeign(folder: string, names: readonly string[], force: boolean): string[] {
  const { foreign, folders } = findFiles(folder, names)
  if (folders.length > 0)
    throw new CnilabError('state', `${folder} has folders with the names of plugins: ${folders.join(', ')}`, {
      fix: 'move them away first',
    })
  if (foreign.length === 0 || force) return foreign
  const files = foreign.length === 1 ? "a plugin that is not cnilab's" : "plugins that are not cnilab's"
  throw new CnilabError('state', `${folder} has ${files}: ${foreign.join(', ')}. Nothing was changed.`, {
    fix: 'use another folder (--bin-dir DIR), or replace them with --force: no copy is kept',
  })
}

/** Builds the executable with all its names, and makes sure that it works. Returns its size in bytes. */
async function make(folder: string, names: readonly string[], signal: AbortSignal): Promise<number> {
  const file = join(folder, '.plugins')
  await compile(folder, file, signal)
  chmodSync(file, 0o755) // whatever the umask
  sync(file) // otherwise a name may lead to an empty file after a power failure
  for (const name of names) linkSync(file, join(folder, name))
  await proveSelfContained(join(folder, names[0] ?? ''))
  return statSync(file).size
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
