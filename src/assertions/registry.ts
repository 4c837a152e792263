import type * as z from 'zod'
import type { AssertionKind, Test } from './assertion.ts'
import { dns, http, ping, seen, tcp, udp } from './by-packets.ts'
import { masquerade, neighbour, sysctl } from './by-reading.ts'
import { interface as interfaceKind, netns, route } from './of-state.ts'
import type { Resource } from '../operations/operation.ts'

/** Every kind of assertion that a lab may make. */
export const assertionKinds = {
  netns,
  interface: interfaceKind,
  route,
  neighbour,
  masquerade,
  sysctl,
  ping,
  tcp,
  udp,
  http,
  dns,
  seen,
} as const

type ParamsOf<A> = A extends AssertionKind<infer P> ? P : never
/** The name of a kind of assertion, as labs write it: `ping`. */
export type AssertionName = keyof typeof assertionKinds

/** What an assertion claims: plain JSON, as in a lab. */
export type Claim = { [K in AssertionName]: { kind: K; params: ParamsOf<(typeof assertionKinds)[K]> } }[AssertionName]

/** Something that must be true; `not` negates it, and `wait` retries it for at most that many seconds. */
export interface Assertion {
  claim: Claim
  not: boolean
  /** In seconds; 0 tries once. */
  wait: number
}

/** A kind bound to the parameters of one assertion: everything that the kind can say about it. */
export interface BoundAssertion {
  id: string
  what: string
  expected: string
  why: string
  needs: readonly Resource[]
  provides: readonly Resource[]
  addresses: readonly { address: string; ifname: string; netns?: string | undefined }[]
  test: Test
}

/** Whether this is the name of a kind of assertion. */
export function isAssertion(name: string): name is AssertionName {
  return Object.hasOwn(assertionKinds, name)
}

/** Parses a claim's parameters. Throws ZodError with the rule that they break, in the caller's own `words` if given. */
export function parseClaim(kind: AssertionName, params: unknown, words?: { error: z.core.$ZodErrorMap }): Claim {
  // The compiler cannot see that the params that this kind's schema returns are those of this kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind, params: assertionKinds[kind].params.parse(params, words) } as Claim
}

/** Binds an assertion to its kind. */
export function bindAssertion({ claim, not }: Assertion): BoundAssertion {
  // As above, and as with operations.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const kind = assertionKinds[claim.kind] as unknown as AssertionKind<unknown>
  const { params } = claim
  return {
    id: `${not ? 'not.' : ''}${claim.kind}.${kind.id(params)}`,
    what: kind.what(params, not),
    expected: kind.expected(params, not),
    why: kind.why,
    needs: kind.needs?.(params) ?? [],
    provides: not ? [] : (kind.provides?.(params) ?? []),
    addresses: not ? [] : (kind.addresses?.(params) ?? []),
    test: kind.test(params),
  }
}
