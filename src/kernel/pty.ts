import { closeSync, constants, fchownSync, fstatSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import type { Host } from './host.ts'
import { openDevice } from './host-root.ts'
import { libc } from './libc.ts'
import { sandboxUser } from './user.ts'

// Requests of ioctl_tty(2).
const TIOCSPTLCK = 0x40045431
const TIOCGPTPEER = 0x5441
const TIOCSWINSZ = 0x5414
const TCFLSH = 0x540b
const TCGETS = 0x5401
const TCSETS = 0x5402
const TCIFLUSH = 0

/** A bit of c_oflag in termios(3). */
const OPOST = 1

/** The number of /dev/ptmx: Linux allocated devices, 5:2. */
const PTMX = (5 << 8) | 2

/** A pseudo-terminal: `master` stays with us, `slave` is for the program. Both are open descriptors. */
export interface Pty {
  master: number
  slave: number
}

/**
 * Opens a pseudo-terminal in the sandbox's own /dev/pts, so that it has a name in there. Throws CnilabError `state` if that
 * no longer exists.
 */
export function openPty(host: Host): Pty {
  const master = openDevice(host, '/dev/pts/ptmx', constants.O_RDWR | constants.O_NOCTTY)
  try {
    if (fstatSync(master).rdev !== PTMX) throw new Error('/dev/pts/ptmx is something else')
    libc().ioctlWith(master, TIOCSPTLCK, Buffer.alloc(4))
    // Opened by its path, it could be another one by now.
    const slave = libc().ioctl(master, TIOCGPTPEER, constants.O_RDWR | constants.O_NOCTTY | O_CLOEXEC)
    const owner = sandboxUser()
    if (owner !== undefined) fchownSync(slave, owner, owner)
    return { master, slave }
  } catch (error) {
    closeSync(master)
    throw new CnilabError('state', `the sandbox '${host.name}' cannot provide a terminal: ${String(error)}`, {
      fix: `cnilab sandbox delete ${host.name}, and start again`,
    })
  }
}

const O_CLOEXEC = 0o2000000

/** Sets the window size of a pseudo-terminal; its foreground program gets SIGWINCH. */
export function setWindowSize(master: number, { columns, rows }: { columns: number; rows: number }): void {
  const size = Buffer.alloc(8) // struct winsize
  size.writeUInt16LE(Math.min(rows, 0xffff), 0)
  size.writeUInt16LE(Math.min(columns, 0xffff), 2)
  libc().ioctlWith(master, TIOCSWINSZ, size)
}

/**
 * Turns off a terminal's output processing, until its settings are restored: Node's raw mode keeps turning each line feed
 * into a new line, but full-screen programs use line feeds to move down.
 */
export function passOutput(terminal: number): void {
  const settings = Buffer.alloc(64) // struct termios, of which the second word is c_oflag
  libc().ioctlWith(terminal, TCGETS, settings)
  settings.writeUInt32LE((settings.readUInt32LE(4) & ~OPOST) >>> 0, 4)
  libc().ioctlWith(terminal, TCSETS, settings)
}

/** Discards input of a terminal that nobody has read yet: tcflush(3). */
export function dropInput(terminal: number): void {
  libc().ioctl(terminal, TCFLSH, TCIFLUSH)
}
