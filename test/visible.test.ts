import { expect, it } from 'vitest'
import { hasHidden, visible } from '../src/visible.ts'

it.each([
  ['\x1b[1A\x1b[2Kgone', String.raw`\x1b[1A\x1b[2Kgone`],
  ['\x1b]52;c;aGk=\x07', String.raw`\x1b]52;c;aGk=\x07`],
  ['\x9b2J\x7f', String.raw`\x9b2J\x7f`],
  ['over\rwritten', String.raw`over\rwritten`],
  ['\u202eder\u2066', String.raw`\u{202e}der\u{2066}`],
  ['re\u200bd re\u200dd \ufeff', String.raw`re\u{200b}d re\u{200d}d \u{feff}`],
  ['a\u034fb \u115f\u1160\u3164\uffa0\u2800', String.raw`a\u{34f}b \u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}`],
  [
    'a\ufe0f 1\ufe0f \u2764\ufe0f\ufe0f \ufe00',
    String.raw`a\u{fe0f} 1\u{fe0f} ` + '\u2764\ufe0f' + String.raw`\u{fe0f} \u{fe00}`,
  ],
  ['\u17b4\u180b\u180f\u{1d173}\u{e0100}', String.raw`\u{17b4}\u{180b}\u{180f}\u{1d173}\u{e0100}`],
  ['\u{e0041}\ud800', String.raw`\u{e0041}\u{d800}`],
])('shows what %j hides', (text, shown) => {
  expect([visible(text), hasHidden(text), hasHidden(shown)]).toEqual([shown, true, false])
})

it.each(['two\n\tlines', '한국어 فارسی می‌خواهم', '👩‍💻 é', '\u2764\ufe0f \u260e\ufe0e 1\ufe0f\u20e3'])(
  'leaves %j as it is',
  (text) => {
    expect([visible(text), hasHidden(text)]).toEqual([text, false])
  },
)

it('shows every character that has no shape', () => {
  const ignorable = Array.from({ length: 0x110000 }, (_, code) => code).filter(
    (code) => (code < 0xd800 || code > 0xdfff) && /\p{Default_Ignorable_Code_Point}/u.test(String.fromCodePoint(code)),
  )
  expect(ignorable.length).toBeGreaterThan(4000)
  expect(ignorable.filter((code) => !hasHidden(`a${String.fromCodePoint(code)}b`)).slice(0, 5)).toEqual([])
})
