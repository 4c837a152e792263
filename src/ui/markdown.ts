import { render } from 'markdansi'
import { hasColor } from './style.ts'
import { textWidth } from './text.ts'

/** Markdown for the terminal; `plain` without box characters. */
export function markdown(text: string, plain: boolean): string {
  return render(text.trim(), {
    width: textWidth(),
    color: hasColor,
    hyperlinks: false,
    codeBox: false,
    codeWrap: false,
    tableBorder: plain ? 'ascii' : 'unicode',
    quotePrefix: plain ? '> ' : '│ ',
    theme: { inlineCode: { color: 'cyan' }, blockCode: { color: 'cyan' }, link: { underline: true } },
  }).trimEnd()
}
