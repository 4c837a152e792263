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
export type AssertionName = keyof typeof assertionKinds

/** What is asserted: plain JSON, as it stands in a lab. */
export type Claim = { [K in AssertionName]: { kind: K; params: ParamsOf<(typeof assertionKinds)[K]> } }[AssertionName]

/** Something that must be true; `not` turns it round, and `wait` tries again for so many seconds at most. */
export interface Assertion {
  claim: Claim
  not: boolean
  /** Seconds; 0: it is tried once. */
  wait: number
}

/** An assertion with everything that its kind derives from its parameters. */
export interface DerivedAssertion {
  id: string
  what: string
  expected: string
  why: string
  needs: readonly Resource[]
  provides: readonly Resource[]
  test: Test
}

/** Whether this is the name of a kind of assertion. */
export function isAssertion(name: string): name is AssertionName {
  return Object.hasOwn(assertionKinds, name)
}

/** Parses what is asserted. Throws ZodError with the rule that was broken, in `words` of the caller's where there are any. */
export function parseClaim(kind: AssertionName, params: unknown, words?: { error: z.core.$ZodErrorMap }): Claim {
  // The compiler cannot see that the params that this kind's schema returns are those of this kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind, params: assertionKinds[kind].params.parse(params, words) } as Claim
}

/** Everything that can be derived from an assertion. */
export function deriveAssertion({ claim, not }: Assertion): DerivedAssertion {
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
    test: kind.test(params),
  }
}
