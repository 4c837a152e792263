import type * as z from 'zod'
import { CnilabError } from '../errors.ts'
import { TOO_DEEP, tooDeep } from '../json-depth.ts'

/** A JSON object: its members by name. */
export type JsonObject = Readonly<Record<string, unknown>>

/** Whether a value is a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses JSON (RFC 8259); undefined if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Parses the JSON that a system command printed, as `readJsonOf`, and checks its shape: CnilabError `state`, too. */
export function readJson<T>(command: string, text: string, schema: z.ZodType<T>): T {
  const { data, error } = schema.safeParse(readJsonOf(command, text))
  if (!error) return data
  const [{ path, message } = { path: [], message: 'another shape than expected' }] = error.issues
  throw unreadable(command, path.length === 0 ? message : `${path.join('.')}: ${message}`)
}

/**
 * Parses the JSON that a system command printed, raw control characters in names and aliases included: iproute2 does not
 * escape them (lib/json_writer.c, jsonw_puts). Throws CnilabError `state`, with the command, if the output is not JSON,
 * or is nested too deeply: another program may have taken the command's place.
 */
export function readJsonOf(command: string, text: string): unknown {
  if (tooDeep(text) !== undefined) throw unreadable(command, TOO_DEEP)
  try {
    return parseJson(text) ?? JSON.parse(text.replaceAll(STRINGS, withEscapes))
  } catch (error) {
    throw unreadable(command, error instanceof Error ? error.message : String(error))
  }
}

/** String literals, also one that is never closed: if that did not match, every later quote would read the rest again. */
const STRINGS = /"[^"\\]*(?:\\.[^"\\]*)*"?/gs
// oxlint-disable-next-line no-control-regex -- JSON strings cannot hold them unescaped
const CONTROLS = /[\x00-\x1f]/g

function withEscapes(json: string): string {
  return json.replaceAll(CONTROLS, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The error for what a command printed, if it is not as it must be. */
export function unreadable(command: string, why: string): CnilabError {
  return new CnilabError('state', `cannot read what ${command.split(' ')[0]} printed: ${why}`, {
    command,
    fix: 'run it to see what it prints',
  })
}
