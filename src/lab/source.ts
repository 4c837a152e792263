import { type Document, isMap, isNode, LineCounter, parseDocument } from 'yaml'
import type * as z from 'zod'
import { CnilabError } from '../errors.ts'

/** A YAML file whose errors can be shown with line and column. */
export interface Source {
  /** Its content, every scalar as text: `2e34` stays what it is. */
  tree: unknown
  /** An error at a place in the file. */
  errorAt: (path: readonly PropertyKey[], message: string) => CnilabError
  /** The first thing that a schema complains of, as an error at its place. */
  complaint: (error: z.ZodError, base?: readonly PropertyKey[]) => CnilabError
}

/** Parses YAML. `file` is its name for messages. Throws CnilabError `usage` where it is not well-formed. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { schema: 'failsafe', lineCounter: lines })
  const at = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset)
    return new CnilabError('usage', `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${message}`)
  }
  const [malformed] = document.errors
  if (malformed) throw at(malformed.pos[0], malformed.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? 'not YAML')
  const errorAt: Source['errorAt'] = (path, message) => at(offsetOf(document, path), message)
  const complaint: Source['complaint'] = (error, base = []) => {
    // A misspelt key is also a missing one: name the key that is there.
    const [issue] = error.issues.flatMap(branches).toSorted((a, b) => rank(a) - rank(b))
    if (!issue) return errorAt(base, 'is not valid')
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      const [key = ''] = issue.keys
      return at(offsetOf(document, [...path, key], 'key'), issue.message)
    }
    const name = path.at(-1)
    const missing = document.getIn(path) === undefined
    if (missing) return errorAt(path, `'${String(name)}' is missing`)
    if (path.length === 0) return errorAt(path, 'a lab is a map of keys: version, id, title, text, steps')
    return errorAt(path, typeof name === 'string' ? `${name}: ${issue.message}` : issue.message)
  }
  try {
    return { tree: document.toJS(), errorAt, complaint }
  } catch (error) {
    throw at(0, error instanceof Error ? error.message : String(error)) // an alias bomb
  }
}

type Issue = z.core.$ZodIssue

const rank = ({ code }: Issue) => (code === 'unrecognized_keys' ? 0 : 1)

/** Of something that may be one of several, what is wrong with the one that was meant: that which has the right type. */
function branches(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return [issue] // it has words of its own
  const meant = issue.errors.find((inner) => inner.some(({ code, path }) => code !== 'invalid_type' || path.length > 0))
  return (meant ?? []).length === 0
    ? [issue]
    : (meant ?? []).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

/** Where the value of a path stands, or its key, or its nearest parent if it is missing. */
function offsetOf(document: Document, path: readonly PropertyKey[], what: 'value' | 'key' = 'value'): number {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true)
    const key = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isNode(item.key) && String(item.key) === String(key))
      const isValue = what === 'value' && length === path.length
      if (isValue && pair && isNode(pair.value) && !isMap(pair.value) && pair.value.range) return pair.value.range[0]
      if (pair && isNode(pair.key) && pair.key.range) return pair.key.range[0]
      continue
    }
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return isNode(document.contents) ? (document.contents.range?.[0] ?? 0) : 0
}
