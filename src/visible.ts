/**
 * The characters that must not reach a terminal unescaped. Control characters (C0, DEL and C1, except line feed and tab)
 * steer it; bidirectional controls and invisible characters make a text look like another one (Unicode TR #36, TR #9, and
 * Default_Ignorable_Code_Point). Some are kept where they have a use: joiners after a character that is not ASCII, which
 * writing systems and emoji need, and an emoji's variation selectors directly after it, or in a keycap.
 */
const HIDDEN =
  // oxlint-disable-next-line no-control-regex, no-misleading-character-class -- they are what it looks for
  /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u2800\ufff9-\ufffb]|(?![\u200c\u200d\ufe0e\ufe0f])\p{Default_Ignorable_Code_Point}|(?<![^\x00-\x7f])[\u200c\u200d]|(?<!\p{Extended_Pictographic}|[\d#*](?=\ufe0f\u20e3))[\ufe0e\ufe0f]|\p{Surrogate}/gu

/** Makes every character visible: an escape sequence reads `\x1b[2K`, and a bidirectional override `\u{202e}`. */
export function visible(text: string): string {
  return text.replaceAll(HIDDEN, escaped)
}

/** The same, on one line, for names in a message. */
export function visibleLine(text: string): string {
  return visible(text).replaceAll('\n', String.raw`\n`)
}

/** Whether `visible` would change a text. */
export function hasHidden(text: string): boolean {
  return text.search(HIDDEN) >= 0
}

/** A value as JSON with every character visible; it parses to the same value. `indent`: spaces; 0 for one line. */
export function visibleJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(HIDDEN, inJson)
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (character === '\r') return String.raw`\r`
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** A character as JSON escapes: beyond the basic plane, two surrogates (RFC 8259, section 7). */
function inJson(character: string): string {
  return Array.from({ length: character.length }, (_, i) => {
    return `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`
  }).join('')
}

/** An untrusted value for a message: strings unchanged, and everything else as JSON, without calling its methods. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? typeof value)
}
