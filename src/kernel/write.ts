import { constants, readlinkSync, writeSync } from 'node:fs'
import { readText } from './read-file.ts'

/** How long to wait for the reader of a full pipe, and how long between two attempts, in milliseconds. */
const TIME_LIMIT = 10_000
const PAUSE = 10

/**
 * Writes a text completely to a descriptor. Throws the system's error if the disk is full, or the reader is gone or does not
 * read. Unlike a stream's, the error comes while something can still be done about it.
 */
export function writeWhole(descriptor: number, text: string): void {
  const last = Date.now() + TIME_LIMIT
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest))
    } catch (error) {
      const isFull = error instanceof Error && 'code' in error && error.code === 'EAGAIN'
      if (!isFull || Date.now() > last) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE)
    }
  }
}

/**
 * Whether a standard descriptor was closed when this process started. Node opens /dev/null in its place for reading and
 * writing, which a user who redirects output to /dev/null does not.
 */
export function wasClosed(descriptor: 0 | 1 | 2): boolean {
  const [, flags = '0'] = /^flags:\s*(\d+)$/m.exec(readText(`/proc/self/fdinfo/${descriptor}`)) ?? []
  const isForBoth = (Number.parseInt(flags, 8) & constants.O_RDWR) !== 0
  return isForBoth && readlinkSync(`/proc/self/fd/${descriptor}`) === '/dev/null'
}
