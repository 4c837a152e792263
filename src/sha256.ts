import { createHash } from 'node:crypto'

/** The SHA-256 hash of a text, in hexadecimal. Bun, in which plugins are compiled, takes 1 ms to load node:crypto. */
export function sha256(text: string): string {
  const hash = typeof Bun === 'undefined' ? createHash('sha256') : new Bun.CryptoHasher('sha256')
  return hash.update(text).digest('hex')
}
