import { parse, type AnyNode, type DocumentNode, type ElementNode, type ObjectNode } from '@humanwhocodes/momoa'
import { TOO_DEEP, tooDeep } from '../../json-depth.ts'
import { parseUntrusted } from '../protocol/given-json.ts'

/** A place in a file, counted from 1. */
interface Place {
  line: number
  column: number
}

/** Where a value is in a document: the keys and indices that lead there, from the outside in; of the whole, none. */
export type Path = readonly (string | number)[]

/** A JSON file, with the places of its values. */
export interface JsonSource {
  json: unknown
  /** The place of a path's value, or of its key; if missing, of its nearest parent. */
  placeOf: (path: Path, what?: 'key' | 'value') => Place
  /** Keys that occur twice in one object; the last one counts. */
  repeated: readonly { path: Path; place: Place }[]
}

/** Why, and where, a text is not JSON. */
export interface NotJson extends Place {
  message: string
}

/** Parses standard JSON, without comments. If it is malformed, returns what is wrong, and where. */
export function readJsonSource(text: string): JsonSource | NotJson {
  let document: DocumentNode
  try {
    const deep = tooDeep(text)
    if (deep !== undefined) return { ...placeAt(text, deep), message: TOO_DEEP }
    document = parse(text, { mode: 'json' })
    const json = parseUntrusted(text)
    return { json, placeOf: (path, what = 'value') => find(document, path, what), repeated: repeated(document.body) }
  } catch (error) {
    return notJson(error, text)
  }
}

const names: Readonly<Record<string, string>> = {
  LBrace: '{',
  RBrace: '}',
  LBracket: '[',
  RBracket: ']',
  Colon: ':',
  Comma: ',',
}

function notJson(error: unknown, text: string): NotJson {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && 'line' in error && 'column' in error) {
    const [line, column] = [Number(error.line), Number(error.column)]
    return { line, column, message: inWords(message, text, line, column) }
  }
  const [, line = '1', column = '1'] = /line (\d+) column (\d+)/.exec(message) ?? [] // V8's own
  return { line: Number(line), column: Number(column), message: message.replace(/ in JSON at position.*/, '') }
}

/** Translates the parser's message, and the usual mistakes behind it, into words. */
function inWords(message: string, text: string, line: number, column: number): string {
  if (text.trim() === '') return 'the file is empty'
  if (text.startsWith('\uFEFF')) return 'the file begins with a byte order mark, which JSON does not allow'
  if (message.startsWith('Unexpected end')) return 'the file ends too early: a bracket, brace or quote is not closed'
  const lines = text.split('\n')
  const before = [...lines.slice(0, line - 1), lines[line - 1]?.slice(0, column - 1) ?? ''].join('\n').trimEnd()
  const token = /^Unexpected token (\w+)/.exec(message)?.[1]
  const found = token === undefined ? /'(.*)'/s.exec(message)?.[1] : names[token]
  if (before.endsWith(',') && (found === '}' || found === ']')) return `there must be no comma before ${found}`
  if (found === '/' || found === '#') return 'JSON has no comments'
  if (found === "'") return "strings and keys need double quotes, not '"
  if (token === 'String' && /["\d}\]el]$/.test(before)) return 'a comma or colon is missing before this'
  if (found !== undefined) return `'${found}' is not allowed here`
  return `a ${(token ?? 'character').toLowerCase()} is not allowed here`
}

function membersOf({ members }: ObjectNode): { name: string; member: ObjectNode['members'][number] }[] {
  return members.map((member) => ({
    name: member.name.type === 'String' ? member.name.value : member.name.name,
    member,
  }))
}

function find(document: DocumentNode, path: Path, what: 'key' | 'value'): Place {
  let node: AnyNode = document.body
  let place = node.loc.start
  for (const step of path) {
    if (node.type === 'Object') {
      const members = membersOf(node)
      // A known key may be written in other capitals.
      const found =
        members.findLast(({ name }) => name === step) ??
        members.findLast(({ name }) => name.toLowerCase() === String(step).toLowerCase())
      const member: ObjectNode['members'][number] | undefined = found?.member
      if (!member) break
      place = what === 'key' ? member.name.loc.start : member.value.loc.start
      node = member.value
    } else if (node.type === 'Array' && typeof step === 'number') {
      const element: ElementNode | undefined = node.elements[step]
      if (!element) break
      place = element.value.loc.start
      node = element.value
    } else break
  }
  return { line: place.line, column: place.column }
}

function placeAt(text: string, at: number): Place {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 }
}

function repeated(node: AnyNode, path: Path = []): { path: Path; place: Place }[] {
  if (node.type === 'Array') return node.elements.flatMap((element, i) => repeated(element.value, [...path, i]))
  if (node.type !== 'Object') return []
  const seen = new Set<string>()
  return membersOf(node).flatMap(({ name, member }) => {
    const own = [...path, name]
    const { line, column } = member.name.loc.start
    const isSecond = seen.has(name)
    seen.add(name)
    return [...(isSecond ? [{ path: own, place: { line, column } }] : []), ...repeated(member.value, own)]
  })
}
