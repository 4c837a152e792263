import type * as z from 'zod'
import type { Proof, Resource } from '../operations/operation.ts'
import type { Namespace, State } from '../state/state.ts'

/** The outcome of an assertion: whether it holds, and the actual state in words. */
export interface AssertionOutcome {
  holds: boolean
  actual: string
}

/** A program whose output decides; it changes nothing. */
interface Reading {
  argv: readonly string[]
  /** The namespace to run it in; undefined for the host. */
  netns: string | undefined
  /** Judges the output. `namespace` is the snapshot of its namespace, if it was read. */
  judge: (
    output: { code: number | undefined; stdout: string; stderr: string },
    namespace?: Namespace,
  ) => AssertionOutcome
}

/**
 * A call with real packets: its protocol and destination. `to` and `server` are addresses, IPv4 or IPv6. `say`: what to send
 * to somebody who waits for us to speak first.
 */
export type PacketCall =
  | { protocol: 'tcp' | 'udp'; to: string; port: number; say?: string }
  | { protocol: 'http'; to: string; port: number; path: string; contains?: string | undefined }
  | { protocol: 'dns'; server: string; name: string }

/** The outcome of a call. */
export interface CallOutcome {
  /** Whether it was answered: TCP connected, HTTP returned any status, DNS returned an address. */
  ok: boolean
  /** The first line of the answer, the address, or what went wrong, in words. */
  detail: string
  /** The status of HTTP. */
  status?: number
  /** Whether the page contains the text that was searched for. */
  contains?: boolean
}

/**
 * How an assertion is judged: only from a snapshot of the kernel; by a program's output; or with packets: one ping, a
 * call, or the source address that the internet sees. `proof`: what shows that it holds where the first look does not.
 */
export type Test =
  | { by: 'state'; judge: (now: State) => AssertionOutcome; proof?: Proof | undefined }
  | { by: 'reading'; reading: Reading; proof?: (now: State) => Proof | undefined }
  | { by: 'ping'; from: string | undefined; to: string; packets: 'small' | 'full' | 'all' }
  | {
      by: 'call'
      from: string | undefined
      call: PacketCall
      listen: boolean
      judge: (answer: CallOutcome) => AssertionOutcome
    }
  | { by: 'seen'; from: string; as: string }

/** A kind of assertion: its parameters, its texts, and how to judge it. */
export interface AssertionKind<P> {
  /** What it asserts, in a few words, for its entry in the reference. */
  title: string
  params: z.ZodType<P>
  /** With the kind in front, the id of its finding: `ping.red.10.22.0.1`. */
  id(p: P): string
  /** What is asserted, as a sentence; `not`: the opposite. */
  what(p: P, not: boolean): string
  expected(p: P, not: boolean): string
  why: string
  /** What must exist before it can hold, and what others may rely on when it does. */
  needs?(p: P): readonly Resource[]
  provides?(p: P): readonly Resource[]
  /** The addresses that it asks for on interfaces, with their prefixes. */
  addresses?(p: P): readonly { address: string; ifname: string; netns?: string | undefined }[]
  test(p: P): Test
}
