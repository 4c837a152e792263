import { Composer, type Document, isMap, isNode, isScalar, Lexer, LineCounter, Parser, visit } from 'yaml'
import type * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import { BOUNDS, refuseHuge } from './bounds.ts'

/** A YAML file whose errors can be shown with line and column. */
export interface Source {
  /** Its content, every scalar as text: `2e34` stays what it is. */
  tree: unknown
  /** An error at a place in the file. */
  errorAt: (path: readonly PropertyKey[], message: string) => CnilabError
  /** The first issue of a schema, as an error at its place. */
  complaint: (error: z.ZodError, base?: readonly PropertyKey[]) => CnilabError
}

/** Parses YAML. `file` is its name in messages. Throws CnilabError `usage` if it is malformed, or too large. */
export function readSource(text: string, file: string): Source {
  const lines = new LineCounter()
  const at = (offset: number, message: string) => {
    const { line, col } = lines.linePos(offset)
    return new CnilabError('usage', `${file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${message}`)
  }
  const document = compose(text, lines, at)
  const tree = resolved(document, at)
  const errorAt: Source['errorAt'] = (path, message) => at(offsetOf(document, path), message)
  const complaint: Source['complaint'] = (error, base = []) => {
    // A misspelt key is also a missing one: report the key that is there.
    const [issue] = error.issues.flatMap(branches).toSorted((a, b) => rank(a) - rank(b))
    if (!issue) return errorAt(base, 'is not valid')
    const path = [...base, ...issue.path]
    if (issue.code === 'unrecognized_keys') {
      const [key = ''] = issue.keys
      return at(offsetOf(document, [...path, key], 'key'), issue.message)
    }
    const name = path.at(-1)
    const missing = valueAt(tree, path) === undefined
    if (missing) return errorAt(path, `'${String(name)}' is missing`)
    if (path.length === 0) return errorAt(path, 'a lab is a map of keys: version, id, title, text, steps')
    return errorAt(path, typeof name === 'string' ? `${name}: ${issue.message}` : issue.message)
  }
  refuseHuge(tree, errorAt)
  return { tree, errorAt, complaint }
}

type At = (offset: number, message: string) => CnilabError

/** Does what yaml's parseDocument does, which recurses for nested lists without a limit, and compares each key with all others. */
function compose(text: string, lines: LineCounter, at: At): Document {
  const parser = new Parser(lines.addNewLine)
  let pieces = 0
  const tokens = function* () {
    for (const lexeme of new Lexer().lex(text)) {
      yield* parser.next(lexeme)
      if (++pieces > 4 * BOUNDS.values) throw at(parser.offset, `a lab has at most ${BOUNDS.values} values`)
      // The document and a scalar are on the stack, too.
      if (parser.stack.length > BOUNDS.depth + 2)
        throw at(parser.offset - lexeme.length, `this is nested in more than ${BOUNDS.depth} lists and maps`)
    }
    yield* parser.end()
  }
  lines.addNewLine(0)
  const composer = new Composer({ schema: 'failsafe', uniqueKeys: false })
  const [document, another] = composer.compose(tokens(), true, text.length)
  if (!document) throw at(0, 'not YAML')
  const [malformed] = document.errors
  if (malformed) throw at(malformed.pos[0], malformed.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? 'not YAML')
  if (another) throw at(another.range[0], 'a lab is one document, but a second one begins here')
  refuseRepeated(document, at)
  return document
}

/** The content as plain values. Refuses aliases that are used too often, or recursively, at the place of the first one. */
function resolved(document: Document, at: At): unknown {
  try {
    const tree: unknown = document.toJS()
    return tree
  } catch (error) {
    let first = 0
    visit(document, {
      Alias: (_, { range }) => {
        first = range?.[0] ?? 0
        return visit.BREAK
      },
    })
    throw at(first, error instanceof Error ? error.message : String(error))
  }
}

/** Refuses a key that occurs twice in a map, or is not text. */
function refuseRepeated(document: Document, at: At): void {
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<string>()
      for (const { key } of items) {
        const place = isNode(key) ? (key.range?.[0] ?? 0) : 0
        if (isNode(key) && !isScalar(key)) throw at(place, 'a key must be text')
        const name = isScalar(key) ? String(key.value) : ''
        if (seen.has(name)) throw at(place, `the key '${name}' occurs twice`)
        seen.add(name)
      }
    },
  })
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((node, key) => (node instanceof Object ? Reflect.get(node, key) : undefined), tree)
}

type Issue = z.core.$ZodIssue

const rank = ({ code }: Issue) => (code === 'unrecognized_keys' ? 0 : 1)

/** For a union, the issues of the member that was meant: of those with the right type, the one with the fewest. */
function branches(issue: Issue): Issue[] {
  if (issue.code !== 'invalid_union' || issue.message !== 'Invalid input') return [issue] // it has its own message
  const [meant] = issue.errors
    .filter((inner) => inner.some(({ code, path }) => code !== 'invalid_type' || path.length > 0))
    .toSorted((one, other) => one.length - other.length)
  return (meant ?? []).length === 0
    ? [issue]
    : (meant ?? []).map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

/** The offset of a path's value, or of its key, or of its nearest parent if it is missing. */
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
