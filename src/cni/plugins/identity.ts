import { hostname } from 'node:os'
import { readText } from '../../kernel/read-file.ts'
import { sha256 } from '../../sha256.ts'
import type { Attachment } from '../protocol/plugin-type.ts'

function hash(...parts: readonly string[]): string {
  return sha256(parts.join('\0'))
}

/** A MAC address derived from the parts: locally administered and unicast (IEEE 802: bits 1 and 0 of the first byte). */
function derivedMac(...parts: readonly string[]): string {
  return `02:${hash(...parts)
    .slice(0, 10)
    .replaceAll(/(..)(?=.)/g, '$1:')}`
}

/** The host's end of an attachment: its name and MAC identify it even after a kill, without any record. */
export function hostEnd({ network, containerId, ifname }: Attachment): { name: string; mac: string } {
  const parts = [network, containerId, ifname] as const
  return { name: `veth${hash(...parts).slice(0, 11)}`, mac: derivedMac('host', ...parts) }
}

/** Whether this is the name of the host's end of some attachment. */
export function isHostEnd(name: string): boolean {
  return /^veth[0-9a-f]{11}$/.test(name)
}

/**
 * The MAC of a container's interface. It is derived from the address, so that neighbours that have cached the address's
 * previous owner reach the next one; without an address, from the attachment.
 */
export function containerMac(attachment: Attachment, address: string | undefined): string {
  const { network, containerId, ifname } = attachment
  return address === undefined
    ? derivedMac('container', network, containerId, ifname)
    : derivedMac('address', network, address)
}

/**
 * The MAC of a bridge. By default a bridge takes that of its lowest port, and so changes it with its ports. It differs between
 * machines, as their bridges may meet on one network.
 */
export function bridgeMac(name: string): string {
  return derivedMac('bridge', name, machineId())
}

/**
 * The owner of something, for aliases and comments: `mynet/2e34dcf34/eth0`. As an nftables comment holds 128 bytes, long parts
 * end in a hash.
 */
export function ownerOf({ network, containerId, ifname }: Attachment): string {
  return ownersOf(network) + shortened(`${containerId}/${ifname}`, 80)
}

/** The prefix of all owners in a network, and of no others. */
export function ownersOf(network: string): string {
  return `${shortened(network, 40)}/`
}

function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 17)}~${hash(text).slice(0, 16)}`
}

/** Identifies this machine: machine-id(5), or else its name. */
function machineId(): string {
  try {
    return readText('/etc/machine-id').trim() || hostname()
  } catch {
    return hostname()
  }
}
