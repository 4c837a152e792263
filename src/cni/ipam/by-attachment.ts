import { appendFileSync, lstatSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { MIB, readBytes } from '../../kernel/read-file.ts'
import { replaceFile } from '../../kernel/replace-file.ts'
import { sha256 } from '../../sha256.ts'

/**
 * The index of a store tells which addresses an attachment has, without reading the files of 60,000 others. It is one file
 * with lines `<hash of the attachment> <address>`; searching 3 MB takes 3 ms. (One link per attachment would be worse:
 * creating 60,000 took 7 s, and the reference, which reads everything in the directory, took twice as long.)
 *
 * The reference does not know the index and may change the store at any time. So after each use both are sealed with a
 * modification time that no clock gives again: adding or removing a file breaks the seal, and so does a kill before the
 * end. Then everything is read once again. All of this happens under the store's lock.
 */
export const INDEX = '.by-attachment'

/** The temporary name of a new file in a store: a killed process leaves at most one, and the reference does not take it for an address. */
export function fresh(folder: string): string {
  return join(folder, '.new')
}

/** The largest index that we read, in bytes: 60,000 addresses take 3 MiB. */
const MAX_SIZE = 256 * MIB

/** The modification time that seals a store, in seconds. */
const SEAL = Date.UTC(2000, 0, 1) / 1000

/** Whether the index is complete: nothing was added to or removed from the store since it was sealed. */
export function isIndexComplete(folder: string): boolean {
  const index = lstatSync(join(folder, INDEX), { throwIfNoEntry: false })
  const stats = [index?.isFile() === true ? index : undefined, statSync(folder, { throwIfNoEntry: false })]
  return stats.every((stat) => stat?.mtimeMs === SEAL * 1000)
}

/** Seals the store: marks the index as complete. */
export function sealIndex(folder: string): void {
  const now = new Date()
  for (const path of [join(folder, INDEX), folder]) utimesSync(path, now, SEAL)
}

function keyOf(text: string): string {
  return `${sha256(text).slice(0, 32)} `
}

/** Looks up the addresses of attachments. Each text is the content of an attachment's files. */
export function findInIndex(folder: string, texts: readonly string[]): string[][] {
  const all = readBytes(join(folder, INDEX), MAX_SIZE)
  return texts.map((text) => {
    const key = keyOf(text)
    const found: string[] = []
    for (let at = all.indexOf(key); at >= 0; at = all.indexOf(key, at + 1))
      found.push(all.toString('latin1', at + key.length, all.indexOf('\n', at)))
    return found
  })
}

/** Adds an address of an attachment to the index. */
export function addToIndex(folder: string, text: string, address: string): void {
  appendFileSync(join(folder, INDEX), `${keyOf(text)}${address}\n`)
}

/** Removes addresses of an attachment from the index. */
export function removeFromIndex(folder: string, text: string, addresses: readonly string[]): void {
  const key = keyOf(text)
  const before = readBytes(join(folder, INDEX), MAX_SIZE).toString('latin1')
  const after = addresses.reduce((all, address) => all.replace(`${key}${address}\n`, ''), before)
  if (after !== before) write(folder, after)
}

/** Writes a new index with exactly these pairs of text and address. */
export function rebuildIndex(folder: string, found: readonly (readonly [string, string])[]): void {
  const lines = found.map(([text, address]) => `${keyOf(text)}${address}\n`)
  write(folder, lines.join(''))
}

function write(folder: string, text: string): void {
  replaceFile(join(folder, INDEX), text, { mode: 0o600, fresh: fresh(folder) })
}
