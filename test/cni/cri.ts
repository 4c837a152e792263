import { connect } from 'node:http2'
import { createConnection } from 'node:net'

/** A field of a protobuf message: its number, and a text, a whole number or a message. */
type Field = readonly [number, string | number | readonly Field[]]

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
}

/** The bytes of a message (protobuf.dev, "Encoding"): numbers have wire type 0, all else 2. */
function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) => {
      if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)])
      const bytes = typeof value === 'string' ? Buffer.from(value) : encode(value)
      return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes])
    }),
  )
}

/**
 * Calls a container runtime as the kubelet does: a method of CRI's RuntimeService (k8s.io/cri-api, runtime/v1/api.proto) by
 * gRPC on a socket. Returns the bytes of the answer; rejects with the runtime's message.
 */
export function callCri(socket: string, method: string, fields: readonly Field[]): Promise<Buffer> {
  const message = encode(fields)
  const head = Buffer.alloc(5) // not compressed
  head.writeUInt32BE(message.length, 1)
  const session = connect('http://localhost', { createConnection: () => createConnection(socket) })
  return new Promise<Buffer>((resolve, reject) => {
    const path = `/runtime.v1.RuntimeService/${method}`
    const call = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    const parts: Buffer[] = []
    let end: Record<string, unknown> = {}
    for (const event of ['response', 'trailers'])
      call.on(event, (headers: Record<string, unknown>) => (end = { ...end, ...headers }))
    call.on('data', (part: Buffer) => parts.push(part))
    call.on('end', () => {
      if (end['grpc-status'] === '0') resolve(Buffer.concat(parts).subarray(head.length))
      else reject(new Error(`${method}: ${decodeURIComponent(String(end['grpc-message']))}`))
    })
    for (const one of [session, call]) one.on('error', reject)
    call.setTimeout(30_000, () => reject(new Error(`${method}: no answer`)))
    call.end(Buffer.concat([head, message]))
  }).finally(() => session.destroy())
}
