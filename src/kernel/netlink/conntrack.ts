import { addressOf } from '../../ip-arithmetic.ts'
import { attribute, FLAG, HEADER, message, nested, readAttributes, u16, u8 } from './message.ts'
import type { NetlinkSocket } from './socket.ts'

/** A flow of packets that the kernel remembers, with the translation that it gave to the first of them. */
export interface Flow {
  protocol: number
  /** Where its packets go, as their sender wrote them. */
  address: string
  port: number
  /** Where they are led to, and who answers. */
  answerer: { address: string; port: number }
}

/** include/uapi/linux/netfilter/nfnetlink_conntrack.h */
const [GET, DELETE] = [(1 << 8) | 1, (1 << 8) | 2]
const CTA = { original: 1, reply: 2, id: 12, zone: 18 } as const
const TUPLE = { address: 1, protocol: 2 } as const
const ADDRESS = { source: [1, 3], destination: [2, 4] } as const
const PORT = { protocol: 1, source: 2, destination: 3 } as const
const GENERIC_HEADER = 4
const AF_UNSPEC = 0

/** Forgets the flows that `isStale` picks, in the socket's namespace: the next packet of each is looked at anew. */
export function forgetFlows(socket: NetlinkSocket, isStale: (flow: Flow) => boolean): void {
  const listed = socket.list(message(GET, FLAG.request | FLAG.dump, generic(AF_UNSPEC)))
  const requests = listed.flatMap((entry) => {
    const attributes = readAttributes(entry, HEADER + GENERIC_HEADER)
    const original = attributes.get(CTA.original)
    const flow = readFlow(original, attributes.get(CTA.reply))
    if (!original || !flow || !isStale(flow)) return []
    const [id, zone] = [attributes.get(CTA.id), attributes.get(CTA.zone)]
    return [
      message(
        DELETE,
        FLAG.request | FLAG.ack,
        generic(entry.readUInt8(HEADER)),
        nested(CTA.original, original),
        ...(id ? [attribute(CTA.id, id)] : []), // another may have come in its place
        ...(zone ? [attribute(CTA.zone, zone)] : []),
      ),
    ]
  })
  // One that has ended meanwhile is refused, which does not matter.
  for (const request of requests) socket.ask([request])
}

/** struct nfgenmsg */
function generic(family: number): Buffer {
  return Buffer.concat([u8(family), u8(0), u16(0)])
}

function readFlow(original: Buffer | undefined, reply: Buffer | undefined): Flow | undefined {
  const [to, from] = [readEnd(original, 'destination'), readEnd(reply, 'source')]
  const protocol = readAttributes(readAttributes(original).get(TUPLE.protocol)).get(PORT.protocol)?.readUInt8()
  return to && from && protocol !== undefined ? { protocol, ...to, answerer: from } : undefined
}

function readEnd(tuple: Buffer | undefined, which: 'source' | 'destination'): Flow['answerer'] | undefined {
  const attributes = readAttributes(tuple)
  const addresses = readAttributes(attributes.get(TUPLE.address))
  const bytes = ADDRESS[which].map((type) => addresses.get(type)).find((one) => one !== undefined)
  const port = readAttributes(attributes.get(TUPLE.protocol)).get(PORT[which])
  if (!bytes || port?.length !== 2) return undefined
  return { address: addressOf(BigInt(`0x${bytes.toString('hex')}`), bytes.length === 16), port: port.readUInt16BE() }
}
