import * as z from 'zod'
import { nearest } from '../../nearest.ts'

/** Readable messages for zod's issues. An unknown key is often a misspelt one. */
export const complaints: { error: z.core.$ZodErrorMap } = {
  error: (issue) => {
    if (issue.code === 'invalid_type') return kindsOfValue[issue.expected]
    if (issue.code !== 'unrecognized_keys') return undefined
    const [key = ''] = issue.keys
    const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : []
    return unknown('key', key, known)
  },
}

/** What a value must be, in words. */
const kindsOfValue: Readonly<Record<string, string>> = {
  array: 'must be a list, for example: [a, b]',
  object: 'must be a map of keys, for example: { name: red }',
  record: 'must be a map of keys, for example: { name: red }',
  string: 'must be text',
}

/** `unknown key 'titel': did you mean 'title'?`, or a list of the known ones. */
export function unknown(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return `unknown ${what} '${name}'${near !== undefined ? `: did you mean '${near}'?` : known.length > 0 ? `; expected one of: ${known.join(', ')}` : ''}`
}
