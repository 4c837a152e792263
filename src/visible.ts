/**
 * What must not reach a terminal as it is. Control characters steer it (all but line feed and tab: C0, DEL, C1);
 * bidirectional controls and characters without a shape make a text look like another one (Unicode TR #36, TR #9, and
 * Default_Ignorable_Code_Point). What has a use is left where it has that: joiners behind a character that is not ASCII, as
 * writing systems and emoji need them, and the selectors of an emoji's presentation directly behind one, or in a keycap.
 */
const HIDDEN =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- these are what it is about
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u2800\ufff9-\ufffb]|(?![\u200c\u200d\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}|(?<![^\x00-\x7f])[\u200c\u200d]|(?<!\p{Extended_Pictographic}|[\d#*](?=\ufe0f\u20e3))[\ufe0e\ufe0f]|\p{Surrogate}/gu

/** A text in which everything is to be seen: an escape sequence reads `\x1b[2K`, and a bidirectional override `\u{202e}`. */
export function visible(text: string): string {
  return text.replaceAll(HIDDEN, escaped)
}

/** The same on one line, for a name among others. */
export function visibleLine(text: string): string {
  return visible(text).replaceAll('\n', String.raw`\n`)
}

/** Whether a text holds something that `visible` would show otherwise. */
export function hasHidden(text: string): boolean {
  return text.search(HIDDEN) >= 0
}

/** A value as JSON in which everything is visible; parsing it gives the same value. `indent`: spaces, none for one line. */
export function visibleJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(HIDDEN, inJson)
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (character === '\r') return String.raw`\r`
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** RFC 8259, section 7: a character beyond the first plane is written as its two surrogates. */
function inJson(character: string): string {
  return Array.from({ length: character.length }, (_, i) => {
    return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`
  }).join('')
}

/** A value that somebody gave, for a message: text as it is, and all else as JSON, whatever methods it claims to have. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? typeof value)
}
