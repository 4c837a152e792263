import { existsSync, linkSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lockFile } from '../../kernel/lock.ts'
import { readBytes } from '../../kernel/read-file.ts'
import { replaceFile } from '../../kernel/replace-file.ts'
import { CniError } from '../protocol/error.ts'
import { requireTrusted } from '../host.ts'
import type { Attachment } from '../protocol/plugin-type.ts'
import {
  removeFromIndex,
  fresh,
  INDEX,
  isIndexComplete,
  findInIndex,
  rebuildIndex,
  addToIndex,
  sealIndex,
} from './by-attachment.ts'

/**
 * The owner of an address. The store has the reference's format, a directory for each network: a file `<address>` holds
 * `<container id>\r\n<interface>`, `last_reserved_ip.<n>` the last address from the n-th range set, and `lock` is locked
 * during changes. Older versions of the reference wrote only the container id: then `ifname` is ''.
 */
export type Owner = Pick<Attachment, 'containerId' | 'ifname'>

/** The content of an owner's file. */
function textOf({ containerId, ifname }: Owner): string {
  return ifname === '' ? containerId : `${containerId}\r\n${ifname}`
}

/**
 * Runs `act` while nobody else, including the reference, uses the store; creates it if it is missing. First removes what a
 * killed writer left: a living one would hold the lock.
 */
export async function withStore<T>(folder: string, act: () => T): Promise<T> {
  requireOwnStore(folder)
  const unlock = await lockFile(join(folder, LOCK))
  try {
    requireOwnStore(folder) // it may have been created just now
    if (existsSync(fresh(folder))) rmSync(fresh(folder))
    if (!isIndexComplete(folder)) reread(folder)
    try {
      const result = act()
      sealIndex(folder)
      return result
    } catch (error) {
      if (error instanceof CniError) sealIndex(folder) // a refusal, with nothing half done
      throw error
    }
  } finally {
    unlock()
  }
}

const LOCK = 'lock'

/**
 * Throws CniError `io` for a store that somebody else could have created or can change: writing there could follow a link to
 * any of root's files.
 */
export function requireOwnStore(folder: string): void {
  for (const path of [folder, join(folder, LOCK), join(folder, INDEX)]) requireTrusted(path)
}

/** Reads every address and rebuilds the index. Releases addresses with empty files, which a killed writer left. */
function reread(folder: string): void {
  const found: [string, string][] = []
  for (const address of addressesIn(folder)) {
    const text = textAt(folder, address)
    if (text === '') rmSync(join(folder, address))
    else if (text !== undefined) found.push([text, address])
  }
  rebuildIndex(folder, found)
}

/** The names of files that are addresses, as opposed to other files of ours or of the reference. */
const ADDRESS = /^\d+(\.\d+){3}$|^[\da-fA-F]*:[\da-fA-F:.]+$/

/** All addresses that are taken; none if there is no store. */
export function addressesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.filter((entry) => entry.isFile() && ADDRESS.test(entry.name)).map(({ name }) => name)
}

/** The largest content of an address's file that we read, in bytes. */
const MAX_SIZE = 64 * 1024

function textAt(folder: string, address: string): string | undefined {
  try {
    return readBytes(join(folder, address), MAX_SIZE).toString('utf8').trim()
  } catch {
    return undefined
  }
}

/** The owner of an address; undefined if it is free. */
export function holderOf(folder: string, address: string): Owner | undefined {
  const text = textAt(folder, address)
  if (text === undefined) return undefined
  const [containerId = '', ifname = ''] = text.split('\r\n')
  return { containerId, ifname }
}

/** The addresses of a container's interface. Only within `withStore`. */
export function addressesOf(folder: string, owner: Owner): string[] {
  // A file in the old format may be another interface's: it counts only if there is none in the new format.
  const texts = [textOf(owner), owner.containerId]
  const [own = [], old = []] = findInIndex(folder, texts).map(
    (addresses, i) => addresses.filter((address) => [texts[i], ''].includes(textAt(folder, address))), // a power cut may have emptied it
  )
  return own.length > 0 ? own : old
}

/** How many addresses to try one by one before reading all that are taken: in round-robin order the next is mostly free. */
const TRIES = 16

/**
 * Reserves the first free address, and returns it; undefined if all are taken. Only within `withStore`. Writes the file under
 * a temporary name and links it to its own, so that a kill leaves no address without an owner.
 */
export function reserve(folder: string, owner: Owner, addresses: Iterable<string>, set: number): string | undefined {
  requireTrusted(join(folder, lastName(set)))
  writeFileSync(fresh(folder), textOf(owner), { mode: 0o600, flag: 'wx' })
  try {
    const address = linkFirst(folder, addresses)
    if (address === undefined) return undefined
    addToIndex(folder, textOf(owner), address)
    replaceFile(join(folder, lastName(set)), address, { mode: 0o600, fresh: fresh(folder) })
    return address
  } finally {
    rmSync(fresh(folder), { force: true })
  }
}

function linkFirst(folder: string, addresses: Iterable<string>): string | undefined {
  let tries = 0
  let taken: ReadonlySet<string> | undefined
  for (const address of addresses) {
    if (++tries > TRIES) taken ??= new Set(addressesIn(folder))
    if (taken?.has(address) !== true && link(fresh(folder), join(folder, address))) return address
  }
  return undefined
}

/** Links a file; returns false if the name is taken. */
function link(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

/** The last address that was reserved from the n-th range set. */
export function lastOf(folder: string, set: number): string | undefined {
  return textAt(folder, lastName(set))
}

function lastName(set: number): string {
  return `last_reserved_ip.${set}`
}

/** Releases addresses of an owner. Only within `withStore`. */
export function release(folder: string, owner: Owner, addresses: readonly string[]): void {
  for (const address of addresses) rmSync(join(folder, address), { force: true })
  for (const text of new Set([textOf(owner), owner.containerId])) removeFromIndex(folder, text, addresses)
}

/** Releases many addresses, of any owners. Only within `withStore`. */
export function releaseAll(folder: string, addresses: readonly string[]): void {
  for (const address of addresses) rmSync(join(folder, address), { force: true })
  reread(folder)
}
