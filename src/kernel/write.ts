import { constants, readlinkSync, writeSync } from 'node:fs'
import { readText } from './read-file.ts'

/** How long a reader is waited for whose pipe is full, in milliseconds. */
const PATIENCE = 10_000
const PAUSE = 10

/**
 * Writes all of a text to a descriptor. Throws what the system says if it cannot: the disk is full, the reader has gone, or
 * it does not read. Unlike a stream's, the error comes while something can still be done about it.
 */
export function writeWhole(descriptor: number, text: string): void {
  const last = Date.now() + PATIENCE
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
 * Whether a standard descriptor was closed when this process was started. Node has opened /dev/null in its place, to read and
 * to write, as nobody does who only wants no output.
 */
export function wasClosed(descriptor: 0 | 1 | 2): boolean {
  const [, flags = '0'] = /^flags:\s*(\d+)$/m.exec(readText(`/proc/self/fdinfo/${descriptor}`)) ?? []
  const isForBoth = (Number.parseInt(flags, 8) & constants.O_RDWR) !== 0
  return isForBoth && readlinkSync(`/proc/self/fd/${descriptor}`) === '/dev/null'
}
