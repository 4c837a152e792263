import * as z from 'zod'
import { parseJson } from '../../state/json.ts'
import type { Execution } from '../protocol/execute.ts'
import { demand, Violation } from './verdict.ts'

/** An error object, parsed leniently: a single check reports what is wrong with it. */
export interface Reported {
  cniVersion?: unknown
  code: number
  msg: string
  details: string
}

const reportedSchema = z.object({
  cniVersion: z.unknown().optional(),
  code: z.number(),
  msg: z.string(),
  details: z.string().default(''),
})

/** The outcome of a call, in words. */
export function inWords({ code, signal, stdout, stderr }: Execution): string {
  const ended =
    signal !== undefined || code === 137
      ? `it did not end by itself (${signal ?? 'SIGKILL'})`
      : `it ended with exit status ${code}`
  const error = reportedOf(stdout)
  if (error) return `${ended}: error ${error.code} "${error.msg}${error.details === '' ? '' : `; ${error.details}`}"`
  const printed = [stdout.trim(), stderr.trim()].filter((text) => text !== '').map((text) => cut(text))
  return printed.length === 0 ? `${ended} and printed nothing` : `${ended} and printed ${printed.join(' ')}`
}

/** A text on one line, truncated. */
function cut(text: string, most = 300): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length > most ? `${line.slice(0, most)}…` : line
}

function reportedOf(stdout: string): Reported | undefined {
  return reportedSchema.safeParse(parseJson(stdout)).data
}

/** Demands that a call succeeded. */
export function succeeds(execution: Execution, what: string): void {
  demand(execution.code === 0, `${what} to succeed, with exit status 0`, inWords(execution))
}

/** Demands that a call failed, with one of these codes if given, and returns the error that it printed. */
export function fails(execution: Execution, what: string, ...codes: readonly number[]): Reported {
  const wanted = `${what} to fail, with a JSON error${codes.length === 0 ? '' : ` of code ${codes.join(' or ')}`} on stdout`
  demand(execution.code !== 0, wanted, inWords(execution))
  const error = reportedOf(execution.stdout)
  if (!error) throw new Violation(wanted, inWords(execution))
  demand(codes.length === 0 || codes.includes(error.code), wanted, inWords(execution))
  return error
}

/** Demands that a call printed nothing on stdout. */
export function printsNothing({ stdout }: Execution, what: string): void {
  demand(stdout.trim() === '', `nothing on stdout after ${what}`, `it printed ${cut(stdout)}`)
}

/** Demands that two descriptions are equal. `what` says what of. */
export function isSame(before: readonly string[], after: readonly string[], what: string): void {
  const [old, fresh] = [new Set(before), new Set(after)]
  const gone = before.filter((line) => !fresh.has(line)).map((line) => `- ${line}`)
  const added = after.filter((line) => !old.has(line)).map((line) => `+ ${line}`)
  demand(gone.length + added.length === 0, what, [...gone, ...added].map((line) => cut(line, 150)).join('\n'))
}
