import { expect, it } from 'vitest'
import { hasHidden, visible } from '../src/visible.ts'

it.each([
  ['\x1b[1A\x1b[2Kgone', String.raw`\x1b[1A\x1b[2Kgone`],
  ['\x1b]52;c;aGk=\x07', String.raw`\x1b]52;c;aGk=\x07`],
  ['\x9b2J\x7f', String.raw`\x9b2J\x7f`],
  ['over\rwritten', String.raw`over\rwritten`],
  ['\u202eder\u2066', String.raw`\u{202e}der\u{2066}`],
  ['re\u200bd re\u200dd \ufeff', String.raw`re\u{200b}d re\u{200d}d \u{feff}`],
  ['\u{e0041}\ud800', String.raw`\u{e0041}\u{d800}`],
])('shows what %j hides', (text, shown) => {
  expect([visible(text), hasHidden(text), hasHidden(shown)]).toEqual([shown, true, false])
})

it.each(['two\n\tlines', '한국어 فارسی می‌خواهم', '👩‍💻 é'])('leaves %j as it is', (text) => {
  expect([visible(text), hasHidden(text)]).toEqual([text, false])
})
