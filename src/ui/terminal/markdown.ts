import { join } from 'node:path'
import { render } from 'markdansi'
import { packageFolder } from '../../kernel/package-folder.ts'
import { readText } from '../../kernel/read-file.ts'
import { once } from '../../once.ts'
import { visible } from '../../visible.ts'
import { type Text, trusted } from './drawn.ts'
import { fitted, NO_BREAK } from './layout.ts'
import { hasColor } from './style.ts'

/** Renders Markdown for the terminal; `plain` without box characters. */
export function markdown(text: string, plain: boolean): Text {
  return fitted(unfitted(text, plain))
}

/** Like `markdown`, but without breaking lines to the width of the terminal. */
export function unfitted(text: string, plain: boolean): Text {
  const drawings = plain ? plainDrawings() : fullDrawings()
  return Object.hasOwn(drawings, text) ? trusted(drawings[text] ?? '') : renderMarkdown(text, plain, hasColor)
}

/** The longest code that is not broken into lines, in characters. */
const MAX_UNBROKEN = 60

/** Renders Markdown with a library that takes longer to load than most commands to run. */
export function renderMarkdown(text: string, plain: boolean, color: boolean): Text {
  const source = visible(text).replaceAll(NUMERIC, shownReference)
  // Without colour, only the backquotes show what to type.
  const marked = source.replaceAll(/`([^`\n]+)`/g, (_, code: string) => {
    const whole = code.length > MAX_UNBROKEN ? code : code.replaceAll(' ', NO_BREAK)
    return color ? `\`${whole}\`` : `\`\` \`${whole}\` \`\``
  })
  // A minus stands for what is gone.
  const drawn = rendered(marked.trim(), plain, color).replaceAll(BULLET, plain ? '$1*$2' : '$1•$2')
  const parts = drawn.trimEnd().split(COLOR)
  return trusted(parts.map((part, i) => (i % 2 === 0 ? visible(part) : part)).join(''))
}

/** The file in which the build keeps the rendered texts of the labs that ship. */
export function drawingsFile(plain: boolean, color: boolean): string {
  return join(packageFolder(), 'dist', 'drawings', `${plain ? 'plain' : 'full'}${color ? '-color' : ''}.json`)
}

type Drawings = Readonly<Record<string, string>>

const plainDrawings = once(() => readDrawings(true))
const fullDrawings = once(() => readDrawings(false))

function readDrawings(plain: boolean): Drawings {
  try {
    // Written by src/generate.ts.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return JSON.parse(readText(drawingsFile(plain, hasColor))) as Drawings
  } catch {
    return {}
  }
}

function rendered(text: string, plain: boolean, color: boolean): string {
  try {
    return render(text, {
      wrap: false,
      color,
      hyperlinks: false,
      codeBox: false,
      tableBorder: plain ? 'ascii' : 'unicode',
      quotePrefix: plain ? '> ' : '│ ',
      theme: { inlineCode: { color: 'cyan' }, blockCode: { color: 'cyan' }, link: { underline: true } },
    })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return text // quotations nested too deeply for the parser
  }
}

/** Markdown's numeric character references: `&#27;` is an escape character (CommonMark 0.31, section 2.5). */
const NUMERIC = /&#(?:x([\da-f]+)|(\d+));/gi

function shownReference(reference: string, hex: string | undefined, decimal: string | undefined): string {
  const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16)
  const character = code <= 0x10ffff ? String.fromCodePoint(code) : ''
  const shown = visible(character)
  return shown === character ? reference : shown
}

/** The renderer's bullet, which may be coloured. */
// oxlint-disable-next-line no-control-regex -- colours begin with it
const BULLET = /^((?:\x1b\[[\d;]*m| )*)-((?:\x1b\[[\d;]*m)* )/gm

/** The renderer's colours. Between them there may be characters from named references, such as `&rlm;`. */
// oxlint-disable-next-line no-control-regex -- it is what they begin with
const COLOR = /(\x1b\[[\d;]*m)/
