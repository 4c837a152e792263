import { readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import { MIB, readBytes } from '../../kernel/read-file.ts'

/** A running program. */
export interface Process {
  pid: number
  /** The name of its file: `kubelet`. */
  program: string
  /** Its arguments, without the program's name. */
  args: readonly string[]
  /** A prefix that turns the process's paths into ours: it may run in a container. */
  root: string
}

/** The processes with one of these names, sorted by pid. `root` is a prefix for /proc. */
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

/** The path prefix of a process, which in a container has other files at the same paths; only root can tell. */
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
    return readBytes(file, 8 * MIB).toString('utf8') // arguments may have any bytes, and up to 6 MiB (execve(2))
  } catch {
    return '' // it has ended
  }
}

/** The value of a flag, from `--flag=value` or `--flag value`; the last one counts. */
export function flagOf(args: readonly string[], ...names: readonly string[]): string | undefined {
  const values = args.flatMap((arg, i) => {
    const [, name = '', value] = /^(--?[a-z_-]+)(?:=(.*))?$/s.exec(arg) ?? []
    if (!names.includes(name)) return []
    return [value ?? args[i + 1] ?? '']
  })
  return values.at(-1)
}
