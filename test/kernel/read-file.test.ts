import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readBytes, readText, UnreadableError } from '../../src/kernel/read-file.ts'
import { folderWithOdd, UNREADABLE } from '../odd-files.ts'

describe('what is no text file is refused in words, at once', () => {
  const words: Readonly<Record<string, string>> = {
    pipe: 'it is a pipe: reading it would wait for somebody to write',
    socket: 'it is a socket, not a file',
    device: 'it is a device, not a file',
    terminal: 'it is a device, not a file',
    folder: 'it is a folder, not a file',
    loop: 'it is a link that leads back to itself',
    'broken link': 'it is a link that leads nowhere: to ',
    memory: 'it cannot be read (EIO)',
    huge: 'it has more than 1 MiB, the most that is read',
    'Latin-1': 'it is not text in UTF-8: see line 1',
    'UTF-16': 'it is not text in UTF-8: see line 1',
    shut: 'this user may not read it',
  }
  it.each(UNREADABLE)('%s', (kind) => {
    const path = join(folderWithOdd(kind, 'file'), 'file')
    expect(() => readText(path)).toThrow(UnreadableError)
    expect(() => readText(path)).toThrow(words[kind] ?? '')
  })
})

it('a file of just so many bytes is read, and of one more not, whether it says how large it is or not', () => {
  const path = join(folderWithOdd('empty', 'file'), 'file')
  writeFileSync(path, 'x'.repeat(100))
  expect(readText(path, 100)).toBe('x'.repeat(100))
  expect(() => readText(path, 99)).toThrow('it has more than 99 bytes, the most that is read')
  expect(readBytes('/proc/self/status', 100_000).length).toBeGreaterThan(100)
  expect(() => readText('/proc/self/status', 99)).toThrow('it has more than 99 bytes, the most that is read')
})

it('text is as it was written, with its byte order mark', () => {
  const path = join(folderWithOdd('byte order mark', 'file'), 'file')
  expect(readText(path)).toBe('\ufeff{}')
  writeFileSync(path, 'zwölf Boxkämpfer\u{1f980}\ufffd\n')
  expect(readText(path)).toBe('zwölf Boxkämpfer\u{1f980}\ufffd\n')
  writeFileSync(path, Buffer.concat([Buffer.from('ok\ufffd\n'), Buffer.from([0xff])]))
  expect(() => readText(path)).toThrow('it is not text in UTF-8: see line 2')
})

describe('a pipe that the shell hands over', () => {
  const reader = `import { readText } from '${join(import.meta.dirname, '../../src/kernel/read-file.ts')}'
try { console.log(readText(process.argv[1], 1000)) } catch (error) { console.log(error.message) }`
  const through = (line: string) => {
    const { stdout } = spawnSync(
      'bash',
      ['-c', line.replaceAll('READ', '"$0" --input-type=module -e "$1"'), process.execPath, reader],
      {
        encoding: 'utf8',
        timeout: 30_000,
      },
    )
    return stdout
  }

  it('is read, also where its writer takes a while', () => {
    expect(through('READ <(echo one; sleep 0.2; echo two)')).toBe('one\ntwo\n\n')
    expect(through('echo three | READ /dev/stdin')).toBe('three\n\n')
  })

  it('is bounded', () => {
    expect(through('READ <(yes)')).toBe('it has more than 1000 bytes, the most that is read\n')
    expect(through('sleep 12 | timeout 10 READ /dev/stdin')).toBe('it has nothing to read without waiting\n')
  })
})
