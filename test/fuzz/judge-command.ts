import type { Outcome } from './case.ts'
import { expectClean, expectOneDocument } from './invariants.ts'

/** The exit codes that the README lists. */
const CODES: readonly number[] = [0, 1, 2, 3, 130]

/**
 * What holds of every command line, whatever came of it. Returns its exit code, in words. Throws an Error. What it changed
 * matters only to whoever knows: `changed` is false elsewhere.
 */
export function judgeCommand(argv: readonly string[], { code, stdout, stderr, changed }: Omit<Outcome, 'ms'>): string {
  const line = JSON.stringify(argv)
  const isOthers = argv[0] === 'exec' || argv[0] === 'shell' // what a program says, and how it ends
  expectClean(stderr)
  if (!isOthers) {
    expectClean(stdout)
    if (!CODES.includes(code)) throw new Error(`${line} exited with ${code}: ${stderr}`)
    // DEL, CHECK and GC print nothing.
    const mayBeSilent = code === 0 && (argv[0] === 'cni' || (argv[0] === 'bridge' && argv[1] === 'del'))
    if (argv.includes('--json') && !(mayBeSilent && stdout === '')) expectOneDocument(stdout)
  }
  const isPure = (code === 2 && !isOthers) || argv.includes('--dry-run') || argv.includes('--explain')
  if (changed && isPure) throw new Error(`${line} changed something, and exited with ${code}: ${stderr}`)
  if (code !== 0 && stderr === '' && stdout === '' && !isOthers)
    throw new Error(`${line} exited with ${code} in silence`)
  return `exit code ${code}`
}
