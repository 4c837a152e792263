import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** What may be in the place of a file, by name: how to make it. */
const MAKERS: Readonly<Record<string, (path: string) => void>> = {
  pipe: (path) => execFileSync('mkfifo', [path]),
  // Bound and left: what stays is the socket's file.
  socket: (path) => {
    const bind = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    execFileSync('sh', ['-c', '"$0" -e "$1" 2>/dev/null; :', process.execPath, bind], { stdio: 'ignore' })
  },
  device: (path) => symlinkSync('/dev/zero', path),
  terminal: (path) => symlinkSync('/dev/ptmx', path),
  folder: (path) => mkdirSync(path),
  loop: (path) => symlinkSync(path, path),
  'broken link': (path) => symlinkSync('/no/such', path),
  'kernel log': (path) => symlinkSync('/proc/kmsg', path),
  memory: (path) => symlinkSync('/proc/self/mem', path),
  huge: (path) => {
    writeFileSync(path, '')
    truncateSync(path, 3 * 1024 ** 3)
  },
  'Latin-1': (path) => writeFileSync(path, Buffer.from('# caf\xe9\n', 'latin1')),
  'UTF-16': (path) => writeFileSync(path, Buffer.from('\ufeff{}', 'utf16le')),
  'byte order mark': (path) => writeFileSync(path, '\ufeff{}'),
  NULs: (path) => writeFileSync(path, '\0\0\0'),
  empty: (path) => writeFileSync(path, ''),
  deep: (path) => writeFileSync(path, '['.repeat(100_000)),
  // Root reads it all the same.
  ...(process.getuid?.() === 0
    ? {}
    : {
        shut: (path: string) => {
          writeFileSync(path, '{}')
          chmodSync(path, 0)
        },
      }),
}

/** Those that lead to what everybody may write: it is not trusted. */
export const OPEN_TO_ALL: readonly string[] = ['device', 'terminal']

/** The names of what may be in the place of a file. */
export const ODD_FILES = Object.keys(MAKERS)

/** Those that cannot be read as text at all. */
export const UNREADABLE = ODD_FILES.filter((kind) => !['byte order mark', 'NULs', 'empty', 'deep'].includes(kind))

const folders: string[] = []

afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

/** Puts something odd into a new folder, under a name, and returns the folder. It goes after the tests. */
export function folderWithOdd(kind: string, name: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cnilab-odd-'))
  folders.push(folder)
  makeOdd(kind, join(folder, name))
  return folder
}

/** Makes something odd at a path. */
export function makeOdd(kind: string, path: string): void {
  MAKERS[kind]?.(path)
}
