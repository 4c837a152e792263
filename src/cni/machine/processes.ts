import { readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { MIB, readBytes } from '../../kernel/read-file.ts'

/** A running program. */
export interface Process {
  pid: number
  /** The name of its file: `kubelet`. */
  program: string
  /** What follows the program's name. */
  args: readonly string[]
  /** Put in front of a path to see the files that the process sees: it may run in a container. */
  root: string
}

/** The processes with one of these names, by pid. `root` is put in front of /proc. */
export function processesOf(programs: readonly string[], root = ''): Process[] {
  const pids = list(`${root}/proc`).filter((entry) => /^\d+$/.test(entry))
  return pids
    .flatMap((entry) => {
      const [file = '', ...args] = read(`${root}/proc/${entry}/cmdline`).replace(/\0$/, '').split('\0')
      const program = basename(file)
      return programs.includes(program) ? [{ pid: Number(entry), program, args, root: rootOf(entry, root) }] : []
    })
    .toSorted((a, b) => a.pid - b.pid)
}

/** A process in a container has other files at the same paths; whose these are, only root may ask. */
function rootOf(pid: string, root: string): string {
  try {
    const isOurs = readlinkSync(`${root}/proc/${pid}/ns/mnt`) === readlinkSync(`${root}/proc/self/ns/mnt`)
    return isOurs ? root : `${root}/proc/${pid}/root`
  } catch {
    return root
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readBytes(file, 8 * MIB).toString('utf8') // words may be of any bytes, and up to 6 MiB (execve(2))
  } catch {
    return '' // it has ended
  }
}

/** The value of a flag: of `--flag=value`, or of the word after `--flag`. The last one counts. */
export function flagOf(args: readonly string[], ...names: readonly string[]): string | undefined {
  const values = args.flatMap((arg, i) => {
    const [, name = '', value] = /^(--?[a-z-]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (!names.includes(name)) return []
    return [value ?? args[i + 1] ?? '']
  })
  return values.at(-1)
}
