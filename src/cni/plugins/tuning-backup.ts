import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../kernel/make-folder.ts'
import { readText } from '../../kernel/read-file.ts'
import { replaceFile } from '../../kernel/replace-file.ts'
import type { LinkSettings } from '../../operations/link-settings.ts'
import { macRule } from '../../rules/mac.ts'
import { isObject, parseJson } from '../../state/json.ts'
import { requireTrusted } from '../host.ts'
import type { Attachment } from '../protocol/plugin-type.ts'

/** The former settings of an interface, as far as they were changed. */
export type Former = Partial<LinkSettings>

type Owner = Pick<Attachment, 'containerId' | 'ifname'>

/** A file for each interface, in the reference's format; the network is ours, for GC. */
function fileOf({ containerId, ifname }: Owner): string {
  return `${containerId}_${ifname}.json`
}

/**
 * Keeps what an interface was like before it is changed. What is kept already stays: it is from before a call that was
 * killed. Returns whether it wrote anything. Throws CniError `io` if the folder cannot be trusted.
 */
export function keepFormer(folder: string, { network, ...owner }: Attachment, former: Former): boolean {
  const path = join(folder, fileOf(owner))
  requireTrusted(folder)
  if (existsSync(path)) return false
  makeFolder(folder, 0o700)
  requireTrusted(folder) // it may have been created just now
  const { mac, mtu, promiscuous, allMulticast, queueLength } = former
  const json = { mac, mtu, promisc: promiscuous, allmulti: allMulticast, txQLen: queueLength, network }
  replaceFile(path, JSON.stringify(json), { mode: 0o600 })
  return true
}

/** What is kept of an interface; undefined if nothing is, or it cannot be read. */
export function formerOf(folder: string, owner: Owner): Former | undefined {
  const json = readKept(folder, fileOf(owner))
  if (!json) return undefined
  const { mac, mtu, promisc, allmulti, txQLen } = json
  const address = typeof mac === 'string' ? macRule(mac).value : undefined
  return {
    ...(address === undefined ? {} : { mac: address }),
    ...(typeof mtu === 'number' && mtu > 0 ? { mtu } : {}),
    ...(typeof promisc === 'boolean' ? { promiscuous: promisc } : {}),
    ...(typeof allmulti === 'boolean' ? { allMulticast: allmulti } : {}),
    ...(typeof txQLen === 'number' ? { queueLength: txQLen } : {}),
  }
}

/** Forgets an interface. */
export function forgetFormer(folder: string, owner: Owner): void {
  rmSync(join(folder, fileOf(owner)), { force: true })
}

/** Forgets the interfaces of a network but for these. */
export function forgetOthers(folder: string, network: string, valid: readonly Owner[]): void {
  const kept = new Set(valid.map(fileOf))
  for (const name of existsSync(folder) ? readdirSync(folder) : [])
    if (name.endsWith('.json') && !kept.has(name) && readKept(folder, name)?.['network'] === network)
      rmSync(join(folder, name), { force: true })
}

function readKept(folder: string, name: string) {
  try {
    requireTrusted(folder)
    const json = parseJson(readText(join(folder, name)))
    return isObject(json) ? json : undefined
  } catch {
    return undefined
  }
}
