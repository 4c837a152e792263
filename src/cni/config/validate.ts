import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { statOf } from '../../kernel/read-file.ts'
import { checkBetween, type Claims, claimsOf } from './check-between.ts'
import { checkInstalled, installedIn } from './check-installed.ts'
import { checkNetwork } from './check-network.ts'
import { keyName, type Mistake, type Tell } from './mistake.ts'
import { namesIn, type WrittenNetwork, readWrittenNetwork } from './written-network.ts'

/** What was found in configurations. */
export interface Validation {
  /** The files that were read, in the order in which runtimes do. */
  files: readonly string[]
  mistakes: readonly Mistake[]
}

/**
 * Finds mistakes in a configuration, or in all of a folder, and between them. `folders` are those of plugins. Throws
 * CnilabError `usage` if there is no such path.
 */
export async function validate(path: string, folders: readonly string[]): Promise<Validation> {
  const files = configFiles(path)
  const mistakes: Mistake[] = []
  const before: Claims[] = []
  const installed = installedIn(folders)
  for (const file of files) {
    const network = readWrittenNetwork(file)
    if ('wrong' in network) {
      const { line, column, wrong } = network
      mistakes.push({ file, line, column, severity: 'error', key: '', what: wrong })
      continue
    }
    const own: Mistake[] = []
    const { tell, more } = teller(network, own)
    checkNetwork(network, tell)
    await checkInstalled(network, installed, tell)
    const claims = claimsOf(network)
    for (const earlier of before) checkBetween(earlier, claims, tell)
    before.push(claims)
    mistakes.push(...own.toSorted((a, b) => a.line - b.line || a.column - b.column), ...more())
  }
  return { files, mistakes }
}

/** So many mistakes of a file are told; each is looked up in it. */
const MOST = 100

/** Puts mistakes of a file `into` a list; `more` is what there is to say of those beyond the first ones. */
function teller({ file, source }: WrittenNetwork, into: Mistake[]): { tell: Tell; more: () => Mistake[] } {
  let left = 0
  const tell: Tell = (severity, path, what, { at = 'value', why, fix } = {}) => {
    const words = { ...(why === undefined ? {} : { why }), ...(fix === undefined ? {} : { fix }) }
    if (into.length < MOST)
      into.push({ file, ...source.placeOf(path, at), severity, key: keyName(path), what, ...words })
    else left++
  }
  const more = (): Mistake[] =>
    left === 0
      ? []
      : [{ file, line: 1, column: 1, severity: 'error', key: '', what: `there are ${left} more mistakes` }]
  return { tell, more }
}

function configFiles(path: string): string[] {
  const stat = statOf(path)
  if (!stat && !isLink(path))
    throw new CnilabError('usage', `there is no file or folder ${path}`, {
      fix: 'cnilab cni configs lists those there are',
    })
  if (stat?.isDirectory() !== true) return [path]
  return namesIn(path).map((name) => join(path, name))
}

/** Whether a link is there, wherever it leads: that is told of it as a file that cannot be read. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}
