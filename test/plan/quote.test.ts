import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { programLine, quote } from '../../src/plan/command-line.ts'
import { hasHidden } from '../../src/visible.ts'
import { EVIL, hostileText } from '../hostile/hostile.ts'

/** The words that a shell makes of a line. */
function readBack(shell: readonly string[], line: string): string[] {
  const [file = '', ...rest] = shell
  const { stdout, stderr } = spawnSync(file, [...rest, `printf '%s\\0' ${line}`], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.split('\0').slice(0, -1)
}

it.each([
  ['cni0', 'cni0'],
  ['10.22.0.1/16', '10.22.0.1/16'],
  ['', "''"],
  ["it's $HOME; *", String.raw`'it'\''s $HOME; *'`],
  ['two\nlines\tand 한국어', "'two\nlines\tand 한국어'"],
  ['\x1b[1A\x1b[2K', String.raw`"$(printf '\033[1A\033[2K')"`],
  ["-\x1b'%!\\\n", `"$(printf -- ${String.raw`'-\033\047%%\041\134'`})\n"`],
  ['\u202e', String.raw`"$(printf '\342\200\256')"`],
])('writes %j so that it is seen', (word, line) => {
  expect(quote(word)).toBe(line)
  expect(readBack(['sh', '-c'], line)).toEqual([word])
})

it.each([
  ['sh', '-c'],
  ['bash', '-c'],
  ['bash', '--posix', '-c'],
])('a shell reads back what was written: %s %s', (...shell) => {
  fc.assert(
    fc.property(fc.array(hostileText, { maxLength: 20 }), (words) => {
      // no argument of a program holds NUL, or anything but UTF-8
      const argv = [...words, EVIL].map((word) => word.replaceAll('\0', '').toWellFormed())
      const line = programLine({ argv })
      expect(hasHidden(line)).toBe(false)
      expect(readBack(shell, line)).toEqual(argv)
    }),
  )
})
