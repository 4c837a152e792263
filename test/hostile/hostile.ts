import * as fc from 'fast-check'
import { expect } from 'vitest'
import type { Run } from '../helpers.ts'

/** One of each kind of what must not reach a terminal: cursor, line, clipboard, title, screen, charset, bidirectional. */
export const EVIL =
  'e\x1b[1A\x1b[2K\x1b]52;c;aGk=\x07\x1b]0;t\x1b\\\x9b2J\x1b(0\x1b[8m\r\x08\x7f\u202e\u2066\u200b\u2028vil'

/** The same where a name may have 15 bytes, as an interface's. */
export const EVIL_NAME = 'e\x1b[2J\x07\u202ev'

/** Texts of which many hide something, and many are read in a way of their own by shells, Markdown, JSON or printf. */
export const hostileText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\x1b',
        '\x1b[2J',
        EVIL,
        '\u202e',
        '\x9b',
        '\x7f',
        '\r',
        '\n',
        '\t',
        '\u200d',
        '\ud800',
        '\u{e0041}',
      ),
      fc.constantFrom(
        "'",
        '"',
        '\\',
        '\\n',
        '\\033',
        '%',
        '%s',
        '$',
        '$(',
        ')',
        '`',
        '!',
        '-',
        '*',
        '{',
        '}',
        '&',
        ';',
      ),
      fc.constantFrom('&#27;', '&#x202e;', '&rlm;', '&amp;#27;', '&#0027;[8m', '_', '[', '](', '<', '>', '|', '#'),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
      fc.string({ unit: 'binary', maxLength: 3 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

/** What must be nowhere in what is shown, line feeds and tabs left out. */
// oxlint-disable-next-line no-control-regex -- these are what it is about
export const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/

/** Asserts that a run of the program left nothing hidden, where nobody draws: in a pipe, without colours. */
export function expectVisible({ code, stdout, stderr }: Run): void {
  expect(stdout).not.toMatch(HIDDEN)
  expect(stderr).not.toMatch(HIDDEN)
  expect(stderr).not.toContain('a bug in cnilab')
  expect([0, 1, 2, 3]).toContain(code)
}

/** What our own drawing takes: colours, and how listr2, log-update and inquirer move the cursor. */
// oxlint-disable-next-line no-control-regex -- escape sequences begin with it
const OURS = /\x1b\[(?:[0-4]|2[2-4]|3[1-9]|90)m|\x1b\[\?(?:25|2026)[hl]|\x1b\[\d*[ABCGJK]/g

/** Asserts that a terminal was sent nothing but text and our own drawing. */
export function expectOurs(screen: string): void {
  expect(screen.replaceAll('\r\n', '\n').replaceAll(OURS, '')).not.toMatch(HIDDEN)
}
