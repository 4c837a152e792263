import * as fc from 'fast-check'
import { Chalk } from 'chalk'
import { describe, expect, it, vi } from 'vitest'
import { drawn, trusted } from '../../../src/ui/terminal/drawn.ts'
import { labelled, fitted, indented, inRows, wrapped } from '../../../src/ui/terminal/layout.ts'
import { renderMarkdown } from '../../../src/ui/terminal/markdown.ts'
import { style } from '../../../src/ui/terminal/style.ts'
import { table } from '../../../src/ui/terminal/table.ts'
import { draw, join, linesOf } from '../../../src/ui/terminal/text.ts'
import { visible } from '../../../src/visible.ts'
import { EVIL, HIDDEN, hostileText } from '../../hostile/hostile.ts'

vi.hoisted(() => (process.env['NO_COLOR'] = '1'))

const red = (text: string) => trusted(new Chalk({ level: 1 }).red(visible(text)))

describe('what was drawn is left as it is, and nothing else', () => {
  it.each([
    ['a string', drawn(EVIL), visible(EVIL)],
    ['in a template', drawn(draw`a ${EVIL} ${red('b')} ${7}`), `a ${visible(EVIL)} \x1b[31mb\x1b[39m 7`],
    ['in a row', drawn(join([EVIL, red('b')], '\x1b')), String.raw`${visible(EVIL)}\x1b` + '\x1b[31mb\x1b[39m'],
    ['in lines', linesOf(`${EVIL}\n${EVIL}`).map(drawn).join(), `${visible(EVIL)},${visible(EVIL)}`],
    ['styled', drawn(style.bad(EVIL)), visible(EVIL)],
    ['styled twice', drawn(style.bad(style.title(EVIL))), visible(EVIL)],
    ['wrapped', drawn(wrapped(`\t${EVIL}`)).replaceAll(/\s/g, ''), visible(EVIL)],
    ['indented', drawn(indented(EVIL, 2)).replaceAll(/\s/g, ''), visible(EVIL)],
    ['beside a label', drawn(labelled('what: ', '\x1b')), String.raw`what: \x1b`],
    ['in rows', drawn(inRows(['a b', '\x1b'], ', ')), String.raw`a b, \x1b`],
    ['fitted', drawn(fitted('- \x1b')), String.raw`- \x1b`],
    ['a cell', drawn(table(['A'], [['\x1b\nb']])), String.raw`A` + '\n' + String.raw`\x1b\nb`],
  ])('%s', (_, shown, expected) => expect(shown).toBe(expected))
})

it('whatever the text', () => {
  fc.assert(
    fc.property(hostileText, hostileText, (a, b) => {
      const text = draw`${a}${style.quiet(b)}${join([a, b], ' ')}`
      const shown = [
        text,
        wrapped(text),
        indented(a),
        fitted(b),
        labelled(' ', a),
        inRows([a, b], ' '),
        table([a], [[b]]),
      ]
      for (const one of shown) expect(drawn(one)).not.toMatch(HIDDEN)
      expect(drawn(draw`${a}`)).toBe(visible(a))
    }),
  )
})

describe('Markdown', () => {
  it.each([
    ['&#27;[2J', String.raw`\x1b[2J`],
    ['&#x1b;]52;c;aGk=&#7;', String.raw`\x1b]52;c;aGk=\x07`],
    ['&#000027;[8mhidden', String.raw`\x1b[8mhidden`],
    ['&rlm;&#x202E;', String.raw`\u{200f}\u{202e}`],
    ['[a](http://b/&amp;#x202e;)', 'a (http://b/&#x202e;)'],
    ['&#13;&#11;', String.raw`\r\x0b`],
    ['\x1b', String.raw`\x1b`],
    ['&lt;&amp;&#60;&#8364; *a*  \nb', '<&<€ a\nb'],
  ])('%j', (source, shown) => {
    expect(drawn(renderMarkdown(source, false, false))).toBe(shown)
    // oxlint-disable-next-line no-control-regex -- colours begin with it
    expect(drawn(renderMarkdown(source, false, true)).replaceAll(/\x1b\[\d+m/g, '')).toBe(shown)
  })

  it('holds no colours but those of the renderer, whatever the source', () => {
    fc.assert(
      fc.property(hostileText, fc.boolean(), (source, plain) => {
        expect(drawn(renderMarkdown(source, plain, false))).not.toMatch(HIDDEN)
        const shown = drawn(renderMarkdown(source, plain, true))
        // oxlint-disable-next-line no-control-regex -- colours begin with it
        const bare = shown.replaceAll(/\x1b\[(?:[1-49]|2[2-49]|3\d|9\d)m/g, '')
        expect(bare).not.toMatch(HIDDEN)
      }),
    )
  })
})

it('a table is as wide as what is in it, and as quick with many rows', () => {
  expect(
    drawn(
      table(
        ['A', 'B'],
        [
          ['', 'x'],
          ['브리지', 'y z'],
          ['a', ''],
        ],
      ),
    ),
  ).toBe('A       B\n        x\n브리지  y z\na')
  const rows = Array.from({ length: 200_000 }, (_, i) => [`${i}`, 'eth0'])
  const started = performance.now()
  expect(
    drawn(table(['NAMESPACE', 'INTERFACE'], rows))
      .split('\n')
      .at(-1),
  ).toBe('199999     eth0')
  expect(performance.now() - started).toBeLessThan(10_000)
})
