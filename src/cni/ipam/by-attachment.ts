import { hash } from 'node:crypto'
import { readdirSync, readlinkSync, rmSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'

/**
 * An index of a store: which addresses an attachment has, without reading the files of 60,000 others. For each there is
 * a symbolic link `<hash of its text>` whose target is the list of addresses; it is made in one step with its content,
 * and the reference, which reads what is in the folder, finds nothing behind it.
 *
 * The reference does not know the index and may change the store at any time. So it is sealed after each use, by a
 * time of change of both folders that no clock gives again: whoever adds or removes a file breaks the seal, and so does a
 * kill before the end. Then all is read anew, once. All of this happens under the store's lock.
 */
export const INDEX = '.by-attachment'

/** In seconds. */
const SEAL = Date.UTC(2000, 0, 1) / 1000

/** Whether nothing was added to or removed from the store since it was sealed. */
export function isComplete(folder: string): boolean {
  return [folder, join(folder, INDEX)].every((one) => statSync(one).mtimeMs === SEAL * 1000)
}

/** Says that the index is complete. */
export function seal(folder: string): void {
  const now = new Date()
  for (const one of [join(folder, INDEX), folder]) utimesSync(one, now, SEAL)
}

function file(folder: string, text: string): string {
  return join(folder, INDEX, hash('sha256', text).slice(0, 32))
}

/** The addresses of an attachment; `text` is what their files hold. */
export function lookUp(folder: string, text: string): string[] {
  try {
    return readlinkSync(file(folder, text)).split(' ')
  } catch {
    return []
  }
}

/** Writes down which addresses an attachment has: at least one. */
export function record(folder: string, text: string, addresses: readonly string[]): void {
  forget(folder, text)
  symlinkSync(addresses.join(' '), file(folder, text))
}

/** An attachment has no address any more. */
export function forget(folder: string, text: string): void {
  rmSync(file(folder, text), { force: true })
}

/** Makes the index say this and nothing else. */
export function rebuild(folder: string, found: ReadonlyMap<string, readonly string[]>): void {
  const stale = new Set(readdirSync(join(folder, INDEX)))
  for (const [text, addresses] of found) {
    const name = hash('sha256', text).slice(0, 32)
    if (!stale.delete(name)) symlinkSync(addresses.join(' '), join(folder, INDEX, name))
    else if (lookUp(folder, text).join(' ') !== addresses.join(' ')) record(folder, text, addresses)
  }
  for (const name of stale) rmSync(join(folder, INDEX, name))
}
