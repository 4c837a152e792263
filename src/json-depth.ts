/** How deeply lists and objects may be nested: the functions that walk them recurse. */
const MAX_DEPTH = 100

const [QUOTE, BACKSLASH, LIST, LIST_END, OBJECT, OBJECT_END] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d]

/** The offset at which a JSON text is nested too deeply; undefined if it never is. */
export function tooDeep(text: string): number | undefined {
  let depth = 0
  let isText = false
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (isText) {
      if (character === BACKSLASH) at++
      else if (character === QUOTE) isText = false
    } else if (character === QUOTE) isText = true
    else if (character === LIST || character === OBJECT) {
      if (++depth > MAX_DEPTH) return at
    } else if (character === LIST_END || character === OBJECT_END) depth--
  }
  return undefined
}

/** The message about such a text. */
export const TOO_DEEP = `more than ${MAX_DEPTH} lists and objects are nested here`
