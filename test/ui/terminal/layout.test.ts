import { spawnSync } from 'node:child_process'
import { afterEach, expect, it, vi } from 'vitest'
import { drawn } from '../../../src/ui/terminal/drawn.ts'
import { commandLines, fitted } from '../../../src/ui/terminal/layout.ts'
import { renderMarkdown } from '../../../src/ui/terminal/markdown.ts'

afterEach(() => vi.unstubAllGlobals())

function onTerminalOf(columns: number): void {
  const stdout: unknown = Object.create(process.stdout, { columns: { value: columns }, isTTY: { value: true } })
  vi.stubGlobal('process', Object.create(process, { stdout: { value: stdout } }))
}

const LONG = String.raw`printf '%s|' "two words" 'one; two' a\ b $'x' end of a command that is much wider than a terminal`

it.each([40, 60, 80])('a command wider than %i columns is continued by backslashes, and means the same', (columns) => {
  onTerminalOf(columns)
  const lines = commandLines(LONG).split('\n')
  expect(lines.length).toBeGreaterThan(1)
  expect(lines.filter((line) => line.trimStart().length + 4 > columns)).toEqual([])
  vi.unstubAllGlobals()
  const print = (line: string) => spawnSync('bash', ['-c', line], { encoding: 'utf8' }).stdout
  expect(print(lines.join('\n'))).toBe(print(LONG))
})

it('a command that goes to a file is one line', () => expect(commandLines(LONG)).toBe(LONG))

it.each([40, 60, 80])('code is not broken at %i columns', (columns) => {
  onTerminalOf(columns)
  const text = Array.from({ length: 9 }, (_, i) => `${'word '.repeat(i)}\`ip -n red link set eth0 up\``).join(
    ' and then ',
  )
  const lines = drawn(fitted(renderMarkdown(text, false, false))).split('\n')
  expect(lines.join('\n').match(/`ip -n red link set eth0 up`/g)).toHaveLength(9)
  expect(lines.join('')).not.toContain('\u00a0')
})
