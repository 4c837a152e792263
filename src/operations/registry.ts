import type * as z from 'zod'
import type { State } from '../state/state.ts'
import { address } from './address.ts'
import { ALONE, type Around, type Place, surroundings } from './around.ts'
import { attachBridge } from './attach-bridge.ts'
import { attachNetns } from './attach-netns.ts'
import { bridge } from './bridge.ts'
import { dummy } from './dummy.ts'
import { ipvlan } from './ipvlan.ts'
import { linkSettings } from './link-settings.ts'
import { macSpoofCheck } from './mac-spoof-check.ts'
import { macvlan } from './macvlan.ts'
import { masquerade } from './masquerade.ts'
import { netns } from './netns.ts'
import { masqueradedAddress, networkMasquerade } from './network-masquerade.ts'
import type {
  Before,
  Command,
  CommandLine,
  Derive,
  Explanation,
  MarkedLink,
  Move,
  OperationKind,
  Proof,
  Reads,
  Refusal,
  Resource,
  StepId,
  Verdict,
} from './operation.ts'
import { firewall, firewallMember, forwardAccept } from './firewall.ts'
import { forwardMasquerade, portForward, portForwarding } from './port-forward.ts'
import { portVlans } from './port-vlans.ts'
import { promiscuous } from './promiscuous.ts'
import { route } from './route.ts'
import { sysctl } from './sysctl.ts'
import { up } from './up.ts'
import { veth } from './veth.ts'
import { vlan } from './vlan.ts'

/** Every kind of operation. A new one takes one file and one line here; commands, labs and checks then know it. */
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
  firewall,
  'firewall-member': firewallMember,
  'forward-accept': forwardAccept,
  'port-vlans': portVlans,
  promiscuous,
  'link-settings': linkSettings,
  vlan,
  macvlan,
  ipvlan,
  dummy,
} as const

type ParamsOf<O> = O extends OperationKind<string, infer P> ? P : never
/** The name of a kind of operation, as plans, labs and journals write it: `attach-bridge`. */
export type KindName = keyof typeof kinds

/** An operation: plain JSON, as in plans, labs and journals. */
export type Operation = { [K in KindName]: { kind: K; params: ParamsOf<(typeof kinds)[K]> } }[KindName]

/** Whether this is the name of a kind of operation. */
export function isKind(name: string): name is KindName {
  return Object.hasOwn(kinds, name)
}

/** A kind bound to the parameters of one operation: everything that the kind can say about it. */
export interface BoundOperation {
  readonly operation: Operation
  readonly step: StepId
  readonly shared: boolean
  readonly reads: Reads
  readonly modules: string | undefined
  readonly id: string
  readonly provides: readonly Resource[]
  readonly needs: readonly Resource[]
  readonly tables: readonly string[]
  readonly apply: readonly Command[]
  readonly explain: Explanation
  readonly expected: string
  readonly target: { ifname: string; netns?: string | undefined } | undefined
  readonly addresses: readonly { address: string; ifname: string; netns?: string | undefined }[]
  readonly moves: Move | undefined
  readonly ends: readonly [Place, Place] | undefined
  /** Of a cable: the places of each end, its own and those to which the plan takes it, one after another. */
  readonly ways: readonly [readonly Place[], readonly Place[]] | undefined
  readonly makesNetns: string | undefined
  readonly marks: readonly MarkedLink[]
  readonly lingers: boolean
  undo(before: Before, now: State): readonly Command[]
  mend(now: State): readonly Command[]
  altered(before: Before, now: State): string | undefined
  leftover(now: State): boolean
  users(now: State): readonly string[]
  refusal(now: State, line: CommandLine): Refusal | undefined
  first(now: State): Operation[]
  isSame(other: Operation): boolean
  judge(now: State): Verdict
  proof(now: State): Proof | undefined
}

/** Computes lazily: a lab of a thousand containers has nine thousand operations, and most members are needed once at most. */
function bind<P>(definition: OperationKind<KindName, P>, p: P, operation: Operation, around: Around): BoundOperation {
  return {
    operation,
    get step() {
      return definition.step(p)
    },
    shared: definition.shared === true,
    get reads() {
      return definition.reads(p)
    },
    modules: definition.modules,
    lingers: definition.lingers === true,
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
    get addresses() {
      return definition.addresses?.(p) ?? []
    },
    get moves() {
      return definition.moves?.(p)
    },
    get ends() {
      return definition.ends?.(p)
    },
    get ways(): BoundOperation['ways'] {
      const ends = definition.ends?.(p)
      return ends ? [around.places(ends[0]), around.places(ends[1])] : undefined
    },
    get makesNetns() {
      return definition.makesNetns?.(p)
    },
    get marks() {
      return definition.marks?.(p) ?? []
    },
    refusal: (now, line) => definition.refusal?.(p, now, line),
    first: (now) =>
      // As above: the parameters are those of its kind.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      (definition.first?.(p, now) ?? []).map((params) => ({ kind: operation.kind, params }) as Operation),
    isSame: (other) => isSame(definition, p, operation, other),
    altered: (before, now) => definition.altered?.(p, before, now),
    undo: (before, now) => definition.undo(p, before, now, around),
    mend: (now) => definition.mend(p, now, around),
    leftover: (now) => definition.judge(p, now, around).status === 'differs' && definition.leftover?.(p, now) === true,
    users: (now) => definition.users?.(p, now) ?? [],
    judge: (now) => definition.judge(p, now, around),
    proof: (now) => definition.proof?.(p, now),
  }
}

/** Whether two operations make the same thing, even if one names it differently. */
function isSame<P>(definition: OperationKind<KindName, P>, p: P, operation: Operation, other: Operation): boolean {
  if (operation.kind !== other.kind) return false
  // Of one kind, their parameters have one type.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  if (definition.isSame) return definition.isSame(p, other.params as unknown as P)
  const [one, two] = [bindOperation(operation), bindOperation(other)]
  return one.id === two.id && one.expected === two.expected && one.needs.join() === two.needs.join()
}

function definitionOf(kind: KindName): OperationKind<KindName, unknown> {
  return kinds[kind]
}

/** Binds an operation to its kind. */
export function bindOperation(operation: Operation): BoundOperation {
  return bind(definitionOf(operation.kind), operation.params, operation, ALONE)
}

/** Binds the operations of a plan, each of which knows where the others move what it is about. */
export function bindPlan(plan: readonly Operation[]): BoundOperation[] {
  const aroundOf = surroundings(() => bound)
  const bound = plan.map((operation, i) => bind(definitionOf(operation.kind), operation.params, operation, aroundOf(i)))
  return bound
}

/** The operation with a mark, which identifies on the machine what it creates; unchanged if it has one, or creates nothing that could bear one. */
export function withMark(operation: Operation, derive: Derive): Operation {
  const params = definitionOf(operation.kind).mark?.(operation.params, derive) ?? operation.params
  // As above: `mark` returns the parameters of its own kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind: operation.kind, params } as Operation
}

/** The operation in the one way to write it, of several that mean the same. */
export function normalForm(operation: Operation): Operation {
  return withParams(operation, definitionOf(operation.kind).normal?.(operation.params) ?? operation.params)
}

/** Whether two operations are of the same kind. */
export function areOfOneKind(one: Operation, two: Operation): boolean {
  return one.kind === two.kind
}

/** The operation as a list has it: `bridge: {name: cni0}`. */
export function asItem({ kind, params }: Operation): string {
  const shown = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  const items = Object.entries(params).flatMap(([key, value]) => (value === undefined ? [] : `${key}: ${shown(value)}`))
  return `${kind}: {${items.join(', ')}}`
}

/** The operation with other parameters of its kind. */
export function withParams({ kind }: Operation, params: object): Operation {
  // The caller says so; all that it gives comes of operations of the kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind, params } as Operation
}

/** What remains of operations on a kernel without IPv6. */
export function withoutIpv6(operations: readonly Operation[]): Operation[] {
  return operations.flatMap((operation) => {
    const definition = definitionOf(operation.kind)
    const params = definition.withoutIpv6 ? definition.withoutIpv6(operation.params) : operation.params
    // As above: the parameters are those of its kind.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return params === undefined ? [] : [{ kind: operation.kind, params } as Operation]
  })
}

/**
 * Parses an operation's parameters, from a journal, a lab or flags. Throws ZodError with the rule that they break, in the
 * caller's own `words` if given.
 */
export function parseOperation(kind: KindName, params: unknown, words?: { error: z.core.$ZodErrorMap }): Operation {
  // As above: the params that this kind's schema returns are those of this kind.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return { kind, params: schemaOf(kind).parse(params, words) } as Operation
}

const schemas = new Map<KindName, z.ZodType>()

/** Built on first use: building all schemas takes longer than a CNI plugin may, which parses no operations. */
function schemaOf(kind: KindName): z.ZodType {
  const schema = schemas.get(kind) ?? kinds[kind].params
  schemas.set(kind, schema)
  return schema
}
