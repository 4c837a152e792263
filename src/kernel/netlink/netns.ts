import { closeSync, openSync } from 'node:fs'
import { CnilabError } from '../../errors.ts'
import { codeOf } from '../code-of.ts'
import { netnsFile } from '../host.ts'
import type { Calls } from './calls.ts'
import { type NetlinkSocket, openSocket } from './socket.ts'

const CLONE_NEWNET = 0x40_00_00_00

/** The file of this thread's own network namespace: setns(2) moves a thread, not a process. */
const OWN = '/proc/thread-self/ns/net'

/** There is no such namespace, or no longer. */
export class NoNetnsError extends CnilabError {}

/** Opens the file of a namespace, by its name or path; the host's without one. Throws NoNetnsError if there is none. */
export function openNetns(netns: string | undefined): number {
  const file = netns === undefined ? OWN : netnsFile(netns)
  try {
    return openSync(file, 'r')
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'No such file or directory' : (codeOf(error) ?? 'unknown error')
    throw new NoNetnsError('state', `cannot open ${file}: ${why}`)
  }
}

/** Does something synchronous in a namespace, and comes back; the host's namespace is where this thread already is. */
export function inNetns<T>(calls: Calls, netns: string | undefined, act: () => T): T {
  if (netns === undefined) return act()
  const own = openNetns(undefined)
  try {
    const there = openNetns(netns)
    const entered = calls.setns(there, CLONE_NEWNET)
    closeSync(there)
    if (entered < 0) throw new NoNetnsError('state', `cannot enter the namespace ${netns}: ${calls.strerror(-entered)}`)
    try {
      return act()
    } finally {
      const back = calls.setns(own, CLONE_NEWNET)
      // What follows would act in the container instead of the host.
      if (back < 0) process.abort()
    }
  } finally {
    closeSync(own)
  }
}

/** The netlink sockets of the host and of its namespaces. */
export interface Sockets {
  calls: Calls
  /** Has a socket of a namespace do something. Throws NoNetnsError if there is no such namespace. */
  use: <T>(protocol: number, netns: string | undefined, act: (socket: NetlinkSocket) => T) => T
}

/**
 * Sockets for a short process. The host's stay open: closing a socket of nftables takes as long as the kernel still needs to
 * forget what was deleted through it, 12 ms, which is best done together with the process's end. A namespace's are closed at
 * once, as they would keep it alive.
 */
export function socketsWith(calls: Calls): Sockets {
  const own = new Map<number, NetlinkSocket>()
  return {
    calls,
    use: (protocol, netns, act) => {
      const socket = own.get(protocol)
      if (netns === undefined && socket) return act(socket)
      const opened = inNetns(calls, netns, () => openSocket(calls, protocol))
      if (netns === undefined) {
        own.set(protocol, opened)
        return act(opened)
      }
      try {
        return act(opened)
      } finally {
        opened.close()
      }
    },
  }
}
