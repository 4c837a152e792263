import { render } from 'markdansi'
import { hasColor } from './style.ts'
import { fitted } from './text.ts'

/** Markdown for the terminal; `plain` without box characters. */
export function markdown(text: string, plain: boolean): string {
  return fitted(unfitted(text, plain, hasColor))
}

/** The same before its lines are broken to the width of the terminal. */
export function unfitted(text: string, plain: boolean, color: boolean): string {
  // Without colour, only its marks tell what is to be typed.
  const marked = color ? text : text.replaceAll(/`([^`\n]+)`/g, '`` `$1` ``')
  try {
    const drawn = render(marked.trim(), {
      wrap: false,
      color,
      hyperlinks: false,
      codeBox: false,
      tableBorder: plain ? 'ascii' : 'unicode',
      quotePrefix: plain ? '> ' : '│ ',
      theme: { inlineCode: { color: 'cyan' }, blockCode: { color: 'cyan' }, link: { underline: true } },
    })
    return drawn.trimEnd()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return text.trim() // quotations in quotations in …, too deep for the parser: nothing to be drawn
  }
}
