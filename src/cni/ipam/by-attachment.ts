import { hash } from 'node:crypto'
import { appendFileSync, lstatSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { MIB, readBytes } from '../../kernel/read-file.ts'
import { replaceFile } from '../../kernel/replace-file.ts'

/**
 * An index of a store: which addresses an attachment has, without reading the files of 60,000 others. One file with a line
 * `<hash of the attachment> <address>` for each; 3 MB are searched in 3 ms. (A link for each attachment was tried: to make
 * 60,000 took 7 s, and the reference, which reads all that is in the folder, took twice as long.)
 *
 * The reference does not know the index and may change the store at any time. So both are sealed after each use, by a
 * time of change that no clock gives again: adding or removing a file breaks the seal, and so does a kill before
 * the end. Then all is read anew, once. All of this happens under the store's lock.
 */
export const INDEX = '.by-attachment'

/** A new file of a store before it has its name: a process that is killed leaves at most one, which the reference does not take for an address. */
export function fresh(folder: string): string {
  return join(folder, '.new')
}

/** 60,000 addresses take 3 MiB. */
const LONGEST = 256 * MIB

/** In seconds. */
const SEAL = Date.UTC(2000, 0, 1) / 1000

/** Whether nothing was added to or removed from the store since it was sealed. */
export function isComplete(folder: string): boolean {
  const index = lstatSync(join(folder, INDEX), { throwIfNoEntry: false })
  const stats = [index?.isFile() === true ? index : undefined, statSync(folder, { throwIfNoEntry: false })]
  return stats.every((stat) => stat?.mtimeMs === SEAL * 1000)
}

/** Says that the index is complete. */
export function seal(folder: string): void {
  const now = new Date()
  for (const path of [join(folder, INDEX), folder]) utimesSync(path, now, SEAL)
}

function keyOf(text: string): string {
  return `${hash('sha256', text).slice(0, 32)} `
}

/** The addresses of attachments; each text is what the files of one hold. */
export function lookUp(folder: string, texts: readonly string[]): string[][] {
  const all = readBytes(join(folder, INDEX), LONGEST)
  return texts.map((text) => {
    const key = keyOf(text)
    const found: string[] = []
    for (let at = all.indexOf(key); at >= 0; at = all.indexOf(key, at + 1))
      found.push(all.toString('latin1', at + key.length, all.indexOf('\n', at)))
    return found
  })
}

/** Writes down that an attachment has an address. */
export function record(folder: string, text: string, address: string): void {
  appendFileSync(join(folder, INDEX), `${keyOf(text)}${address}\n`)
}

/** Writes down that an attachment has these addresses no more. */
export function forget(folder: string, text: string, addresses: readonly string[]): void {
  const key = keyOf(text)
  const before = readBytes(join(folder, INDEX), LONGEST).toString('latin1')
  const after = addresses.reduce((all, address) => all.replace(`${key}${address}\n`, ''), before)
  if (after !== before) write(folder, after)
}

/** Makes the index say this and nothing else: text and address of each. */
export function rebuild(folder: string, found: readonly (readonly [string, string])[]): void {
  const lines = found.map(([text, address]) => `${keyOf(text)}${address}\n`)
  write(folder, lines.join(''))
}

function write(folder: string, text: string): void {
  replaceFile(join(folder, INDEX), text, { mode: 0o600, fresh: fresh(folder) })
}
