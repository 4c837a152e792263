import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { readText } from '../../kernel/read-file.ts'
import type { Attachment } from '../protocol/plugin-type.ts'

function hash(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex')
}

/** A MAC address that derives from parts: locally administered and unicast (IEEE 802: bits 1 and 0 of the first byte). */
function derivedMac(...parts: readonly string[]): string {
  return `02:${hash(...parts)
    .slice(0, 10)
    .replaceAll(/(..)(?=.)/g, '$1:')}`
}

/** The host's end of an attachment: its name and MAC tell whose it is after any kill, without anything written down. */
export function hostEnd({ network, containerId, ifname }: Attachment): { name: string; mac: string } {
  const parts = [network, containerId, ifname] as const
  return { name: `veth${hash(...parts).slice(0, 11)}`, mac: derivedMac('host', ...parts) }
}

/** Whether this is the name of a host's end, of whatever attachment. */
export function isHostEnd(name: string): boolean {
  return /^veth[0-9a-f]{11}$/.test(name)
}

/**
 * The MAC of a container's interface. It derives from its address, so that neighbours who remember an address's last
 * owner reach the next one; without an address, from the attachment.
 */
export function containerMac(attachment: Attachment, address: string | undefined): string {
  const { network, containerId, ifname } = attachment
  return address === undefined
    ? derivedMac('container', network, containerId, ifname)
    : derivedMac('address', network, address)
}

/**
 * The MAC of a bridge. Left to itself a bridge takes that of its lowest port, and so changes it with its ports. Bridges of
 * other machines have others: they may meet on one network.
 */
export function bridgeMac(name: string): string {
  return derivedMac('bridge', name, machineId())
}

/**
 * Whose something is, in words, for aliases and comments: `mynet/2e34dcf34/eth0`. A comment of nftables holds 128
 * bytes: of longer parts the end is a hash.
 */
export function ownerOf({ network, containerId, ifname }: Attachment): string {
  return ownersOf(network) + shortened(`${containerId}/${ifname}`, 80)
}

/** The beginning of the owners of a network's attachments, and of no other's. */
export function ownersOf(network: string): string {
  return `${shortened(network, 40)}/`
}

function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 17)}~${hash(text).slice(0, 16)}`
}

/** What tells this machine from others: machine-id(5), or else its name. */
function machineId(): string {
  try {
    return readText('/etc/machine-id').trim() || hostname()
  } catch {
    return hostname()
  }
}
