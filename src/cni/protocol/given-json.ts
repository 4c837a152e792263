import { TOO_DEEP, tooDeep } from '../../json-depth.ts'

/** Parses untrusted JSON. Throws an Error that says in one line what is wrong. */
export function parseUntrusted(text: string): unknown {
  if (text.startsWith('\uFEFF')) throw new Error('it begins with a byte order mark, which JSON does not allow')
  if (tooDeep(text) !== undefined) throw new Error(TOO_DEEP)
  const json: unknown = JSON.parse(text) // its error names the place
  // The system would take NUL for the end of a name.
  if (text.includes(String.raw`\u0000`) && holdsNul(json)) throw new Error('a string in it contains a NUL character')
  return json
}

function holdsNul(json: unknown): boolean {
  if (typeof json === 'string') return json.includes('\0')
  if (typeof json !== 'object' || json === null) return false
  return Object.entries(json).some(([key, value]) => key.includes('\0') || holdsNul(value))
}
