import { endianness } from 'node:os'
import { libc } from '../libc.ts'
import { once } from '../../once.ts'
import type { Calls } from './calls.ts'

/**
 * The calls by Bun's own foreign function interface, if this is a compiled plugin; by koffi in Node. Undefined where neither
 * opens the C library: then programs do the work.
 */
export const systemCalls = once(async (): Promise<Calls | undefined> => {
  if (endianness() !== 'LE') return undefined
  try {
    return process.versions['bun'] === undefined ? inNode() : await inBun()
  } catch {
    return undefined
  }
})

async function inBun(): Promise<Calls> {
  const { dlopen, read, CString } = await import('bun:ffi')
  const [int, bytes, size, long, pointer] = ['i32', 'ptr', 'u64', 'i64_fast', 'ptr'] as const
  const { symbols: c } = dlopen('libc.so.6', {
    socket: { args: [int, int, int], returns: int },
    setsockopt: { args: [int, int, int, bytes, int], returns: int },
    send: { args: [int, bytes, size, int], returns: long },
    recv: { args: [int, bytes, size, int], returns: long },
    setns: { args: [int, int], returns: int },
    flock: { args: [int, int], returns: int },
    strerror: { args: [int], returns: pointer },
    __errno_location: { args: [], returns: pointer },
  })
  const checked = (result: number | bigint) =>
    Number(result) >= 0 ? Number(result) : -read.i32(c['__errno_location']?.() ?? 0)
  const call =
    (name: string) =>
    (...given: readonly unknown[]) =>
      checked(c[name]?.(...given) ?? -1)
  const send = call('send')
  const recv = call('recv')
  const setsockopt = call('setsockopt')
  return {
    socket: call('socket'),
    setsockopt: (fd, level, name, value) => setsockopt(fd, level, name, value, value.length),
    send: (fd, data) => send(fd, data, data.length, 0),
    recv: (fd, into) => recv(fd, into, into.length, 0),
    setns: call('setns'),
    flock: call('flock'),
    strerror: (errno) => String(new CString(Number(c['strerror']?.(errno) ?? 0))),
  }
}

function inNode(): Calls {
  return libc().netlink
}
