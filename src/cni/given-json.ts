/** So deep may lists and objects lie in each other: whoever walks through them calls itself for each. */
const DEEPEST = 100

/** Where a JSON text has more lists and objects in each other than anybody needs, from 0 on; undefined if nowhere. */
export function tooDeep(text: string): number | undefined {
  let depth = 0
  let isText = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (isText) {
      if (character === '\\') at++
      else if (character === '"') isText = false
    } else if (character === '"') isText = true
    else if (character === '[' || character === '{') {
      if (++depth > DEEPEST) return at
    } else if (character === ']' || character === '}') depth--
  }
  return undefined
}

/** What is said of it. */
export const TOO_DEEP = `more than ${DEEPEST} lists and objects lie in each other here`

/** Parses JSON that came from somewhere else. Throws an Error that says in one line what is wrong. */
export function parseGiven(text: string): unknown {
  if (text.startsWith('\uFEFF')) throw new Error('it begins with a byte order mark, which JSON does not allow')
  if (tooDeep(text) !== undefined) throw new Error(TOO_DEEP)
  const json: unknown = JSON.parse(text) // its own message names the place
  // The system would take it for the end of a name.
  if (text.includes(String.raw`\u0000`) && holdsNul(json)) throw new Error('a text in it holds a NUL character')
  return json
}

function holdsNul(json: unknown): boolean {
  if (typeof json === 'string') return json.includes('\0')
  if (typeof json !== 'object' || json === null) return false
  return Object.entries(json).some(([key, value]) => key.includes('\0') || holdsNul(value))
}
