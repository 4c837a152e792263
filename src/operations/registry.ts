import type * as z from 'zod'
import type { State } from '../state/state.ts'
import { address } from './address.ts'
import { attachBridge } from './attach-bridge.ts'
import { attachNetns } from './attach-netns.ts'
import { bridge } from './bridge.ts'
import { macSpoofCheck } from './mac-spoof-check.ts'
import { masquerade } from './masquerade.ts'
import { netns } from './netns.ts'
import { masqueradedAddress, networkMasquerade } from './network-masquerade.ts'
import type { Before, Command, OperationKind, Resource, Verdict } from './operation.ts'
import { forwardMasquerade, portForward, portForwarding } from './port-forward.ts'
import { portVlans } from './port-vlans.ts'
import { promiscuous } from './promiscuous.ts'
import { route } from './route.ts'
import { sysctl } from './sysctl.ts'
import { up } from './up.ts'
import { veth } from './veth.ts'
import { vlan } from './vlan.ts'

/** Every kind of operation. A new one is one file and one line here; commands, labs and checks then know it. */
export const kinds = {
  netns,
  bridge,
  veth,
  'attach-netns': attachNetns,
  'attach-bridge': attachBridge,
  address,
  up,
  route,
  masquerade,
  sysctl,
  'network-masquerade': networkMasquerade,
  'masqueraded-address': masqueradedAddress,
  'mac-spoof-check': macSpoofCheck,
  'port-forwarding': portForwarding,
  'port-forward': portForward,
  'forward-masquerade': forwardMasquerade,
  'port-vlans': portVlans,
  promiscuous,
  vlan,
} as const

type ParamsOf<O> = O extends OperationKind<string, infer P> ? P : never
export type KindName = keyof typeof kinds

/** An operation: plain JSON, as it stands in plans, labs and journals. */
export type Operation = { [K in KindName]: { kind: K; params: ParamsOf<(typeof kinds)[K]> } }[KindName]

/** Whether this is the name of a kind of operation. */
export function isKind(name: string): name is KindName {
  return Object.hasOwn(kinds, name)
}

/** An operation with everything that its kind derives from its parameters. */
export interface Derived {
  readonly operation: Operation
  readonly shared: boolean
  readonly id: string
  readonly provides: readonly Resource[]
  readonly needs: readonly Resource[]
  readonly tables: readonly string[]
  readonly apply: readonly Command[]
  readonly explain: { what: string; why: string }
  readonly expected: string
  readonly target: { ifname: string; netns?: string | undefined } | undefined
  readonly marks: readonly { ifname: string; netns?: string | undefined; mac: string }[]
  undo(before: Before, now: State): readonly Command[]
  altered(before: Before, now: State): string | undefined
  users(now: State): readonly string[]
  judge(now: State): Verdict
}

/** Derives when asked: a lab of a thousand containers has nine thousand operations, and most of this is needed once. */
function bind<P>(definition: OperationKind<KindName, P>, p: P, operation: Operation): Derived {
  return {
    operation,
    shared: definition.shared === true,
    get id() {
      return `${definition.kind}.${definition.id(p)}`
    },
    get provides() {
      return definition.provides(p)
    },
    get needs() {
      return definition.needs(p)
    },
    get tables() {
      return definition.tables?.(p) ?? []
    },
    get apply() {
      return definition.apply(p)
    },
    get explain() {
      return definition.explain(p)
    },
    get expected() {
      return definition.expected(p)
    },
    get target() {
      return definition.target?.(p)
    },
    get marks() {
      return definition.marks?.(p) ?? []
    },
    altered: (before, now) => definition.altered?.(p, before, now),
    undo: (before, now) => definition.undo(p, before, now),
    users: (now) => definition.users?.(p, now) ?? [],
    judge: (now) => definition.judge(p, now),
  }
}

/** Everything that can be derived from an operation. */
export function derive(operation: Operation): Derived {
  // The compiler cannot see that kinds[operation.kind] takes operation.params; Operation's definition says so.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return bind(kinds[operation.kind] as unknown as OperationKind<KindName, unknown>, operation.params, operation)
}

/**
 * Parses an operation's parameters, from a journal, a lab or flags. Throws ZodError with the rule that was broken, in
 * `words` of the caller's where there are any.
 */
export function parseOperation(kind: KindName, params: unknown, words?: { error: z.core.$ZodErrorMap }): Operation {
  // As above: the params that this kind's schema returns are those of this kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind, params: schemaOf(kind).parse(params, words) } as Operation
}

const schemas = new Map<KindName, z.ZodType>()

/** Schemas take longer to make than a CNI plugin has, which parses no operations. */
function schemaOf(kind: KindName): z.ZodType {
  const schema = schemas.get(kind) ?? kinds[kind].params
  schemas.set(kind, schema)
  return schema
}
