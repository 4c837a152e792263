import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { statOf } from '../../kernel/read-file.ts'
import { checkBetween, type Claims, claimsOf } from './check-between.ts'
import { checkInstalled, installedIn } from './check-installed.ts'
import { checkNetwork } from './check-network.ts'
import { keyName, type Mistake, type ReportMistake } from './mistake.ts'
import { configFileNames, type WrittenNetwork, readWrittenNetwork } from './written-network.ts'

/** The result of a validation. */
export interface Validation {
  /** The files that were read, in the order of runtimes. */
  files: readonly string[]
  mistakes: readonly Mistake[]
}

/**
 * Finds mistakes in one configuration file, or in all of a directory and between them. `folders` are the plugin directories.
 * Throws CnilabError `usage` if there is no such path.
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
    const { report, more } = reporter(network, own)
    checkNetwork(network, report)
    await checkInstalled(network, installed, report)
    const claims = claimsOf(network)
    // What it has in common with several of them is told once, of the first.
    const told = new Set<string>()
    const once: ReportMistake = (severity, key, what, words) => {
      const place = `${key.join('/')} ${severity}`
      if (!told.has(place)) report(severity, key, what, words)
      told.add(place)
    }
    for (const earlier of before) checkBetween(earlier, claims, once)
    if (before.length === 0 && files.length > 1) checkFirst(network, report)
    before.push(claims)
    mistakes.push(...own.toSorted((a, b) => a.line - b.line || a.column - b.column), ...more())
  }
  return { files, mistakes }
}

/** Checks the file that containerd takes, of several. */
function checkFirst({ plugins }: WrittenNetwork, report: ReportMistake): void {
  const [first] = plugins
  if (first && plugins.every(({ config }) => config['type'] === 'loopback'))
    report('warning', [...first.path, 'type'], 'the first file is only loopback', {
      why: 'containerd uses the first file: containers get no other network',
      fix: 'give it a name that comes last, such as 99-loopback.conf',
    })
}

/** How many mistakes to report for one file: each takes a search for its place. */
const MAX_MISTAKES = 100

/** Returns `report`, which collects a file's mistakes in `into`, and `more`, which reports how many did not fit. */
function reporter({ file, source }: WrittenNetwork, into: Mistake[]): { report: ReportMistake; more: () => Mistake[] } {
  let left = 0
  const report: ReportMistake = (severity, path, what, { at = 'value', why, fix } = {}) => {
    const words = { ...(why === undefined ? {} : { why }), ...(fix === undefined ? {} : { fix }) }
    if (into.length < MAX_MISTAKES)
      into.push({ file, ...source.placeOf(path, at), severity, key: keyName(path), what, ...words })
    else left++
  }
  const more = (): Mistake[] =>
    left === 0
      ? []
      : [{ file, line: 1, column: 1, severity: 'error', key: '', what: `there are ${left} more mistakes` }]
  return { report, more }
}

function configFiles(path: string): string[] {
  const stat = statOf(path)
  if (!stat && !isLink(path))
    throw new CnilabError('usage', `there is no file or folder ${path}`, {
      fix: 'cnilab cni configs lists them',
    })
  if (stat?.isDirectory() !== true) return [path]
  return configFileNames(path).map((name) => join(path, name))
}

/** Whether the path is a link, even a broken one, which is then reported as an unreadable file. */
function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}
