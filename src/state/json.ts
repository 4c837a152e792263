import type * as z from 'zod'
import { CnilabError } from '../errors.ts'
import { TOO_DEEP, tooDeep } from '../json-depth.ts'

/** What a text is as JSON (RFC 8259); undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Reads what a command of the system printed as JSON. Control characters in names and aliases are read as well: iproute2
 * prints them as they are (lib/json_writer.c, jsonw_puts). Throws CnilabError `state`, with the command, for what is no
 * JSON, of another shape, or deeper than anybody needs: another program may have taken the command's place.
 */
export function readJson<T>(command: string, text: string, schema: z.ZodType<T>): T {
  if (tooDeep(text) !== undefined) throw unreadable(command, TOO_DEEP)
  let json: unknown
  try {
    json = parseJson(text) ?? JSON.parse(text.replaceAll(STRINGS, withEscapes))
  } catch (error) {
    throw unreadable(command, error instanceof Error ? error.message : String(error))
  }
  const { data, error } = schema.safeParse(json)
  if (!error) return data
  const [{ path, message } = { path: [], message: 'another shape than expected' }] = error.issues
  throw unreadable(command, path.length === 0 ? message : `${path.join('.')}: ${message}`)
}

/** Each from a quotation mark on, also one without an end: where a try fails, the next would read the same once more. */
const STRINGS = /"[^"\\]*(?:\\.[^"\\]*)*"?/gs
// oxlint-disable-next-line no-control-regex -- what JSON cannot hold as it is
const CONTROLS = /[\x00-\x1f]/g

function withEscapes(json: string): string {
  return json.replaceAll(CONTROLS, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function unreadable(command: string, why: string): CnilabError {
  return new CnilabError('state', `what ${command.split(' ')[0]} printed cannot be read: ${why}`, {
    command,
    fix: 'run it, to see what it prints',
  })
}
