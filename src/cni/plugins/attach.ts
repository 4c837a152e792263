import { existsSync } from 'node:fs'
import type { Kernel } from '../../kernel/kernel.ts'
import { KernelError } from '../../kernel/run.ts'
import type { Scope } from '../../kernel/snapshot.ts'
import { isIpv6 } from '../../ip-arithmetic.ts'
import { type BoundOperation, bindOperation, type Operation, withoutIpv6 } from '../../operations/registry.ts'
import { narrowScopeOf, type PlanScope, scopeOf } from '../../plan/scope.ts'
import { FORWARDING } from '../../operations/sysctl.ts'
import { findLink, HOST, type State } from '../../state/state.ts'
import { doUnrecorded } from '../../engine/do-unrecorded.ts'
import { withFirst } from '../../engine/first.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { containerNetns, lockMachine, type MachineLock, ownKernel, refuseMisread } from '../host.ts'
import { hostEnd } from './identity.ts'
import { ipamOf, needsInterface, refuseWithoutType } from '../ipam/ipam.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import { dnsOf, EMPTY, ownResult, type Result, type ResultInterface } from '../protocol/result.ts'
import { checkPlan } from './check-plan.ts'
import type { Removal } from './remove.ts'
import { requireTools } from './tools.ts'

const FORWARDINGS: readonly string[] = Object.values(FORWARDING)

/** The parts in which plugins that give a container an interface differ, once their configuration is parsed. */
export interface AttachmentType<C> {
  /** The IPAM plugin's result, with what the configuration adds to it. Throws CniError. */
  completed: (config: C, lease: Result) => Result
  /** The operations for a result; `now` is the state before ADD, undefined for CHECK and the like. */
  plan: (call: Call, config: C, netns: string, result: Result, now?: State) => Operation[]
  /** Makes way for the plan; if it changed anything, returns a function that undoes that. Throws CniError if something is in the way. */
  makeWay?: (kernel: Kernel, config: C, wanted: Result, now: State) => Promise<(() => Promise<void>) | undefined>
  /** The last step: waits for slow parts, and throws CniError if they fail. Returns the state for the result. */
  settle?: (
    kernel: Kernel,
    call: Call,
    config: C,
    netns: string,
    wanted: Result,
    before: State,
    unlocked: MachineLock['without'],
  ) => Promise<State>
  /** Explains an error, if the configuration tells more than the kernel. */
  explain?: (config: C, error: unknown) => unknown
  /** The interfaces of the result, the container's own among them. */
  interfaces: (call: Call, config: C, netns: string, wanted: Result, before: State) => ResultInterface[]
  /** What CHECK reads; by default only what the plan names. */
  checkScope?: (operations: Parameters<typeof narrowScopeOf>[0]) => PlanScope
  /** What DEL and GC take away. */
  removal: Removal
}

/** What keeps a plugin from attaching a container, and what to do about it, in words. */
export interface Obstacle {
  problem: string
  fix: string
}

/** A type, and how its configuration is read. */
export interface ConfiguredType<C> extends AttachmentType<C> {
  /** Parses its part of a call's configuration, with what it names of the kernel. Throws CniError `config`. */
  config: (call: Call, kernel: Kernel) => C | Promise<C>
  /** What the configuration needs and is not there. */
  obstacle?: (config: C) => Obstacle | undefined
}

/** A plugin that gives a container an interface: allocates addresses and does the plan, all or nothing. */
export function attachmentPlugin<C>(type: ConfiguredType<C>): PluginType {
  return {
    add: async (call, deliver) => {
      refuseMisread(call.ifname)
      refuseWithoutType(call)
      const netns = containerNetns(call.netns)
      const kernel = await ownKernel()
      const config = await type.config(call, kernel)
      refuseObstacle(CODE.config, type.obstacle?.(config))
      const ipam = await ipamOf(call)
      const lock = await lockMachine()
      try {
        const scope = scopeBefore(type, call, config, netns)
        const now = await kernel.read(scope)
        refuseIfThere(call, netns, now)
        const make = (lease: Result, before: State) => attach(type, kernel, call, config, netns, lease, before, lock)
        // A plugin such as dhcp requests an address through the interface.
        const early = ipam && needsInterface(call.config) ? await make(EMPTY, now) : undefined
        let made: Made | undefined
        try {
          // Others need not wait for another plugin, which may be waiting for a server. Ours take a moment.
          const lease = ipam ? await (early ? lock.without(() => ipam.add(call)) : ipam.add(call)) : EMPTY
          if (ipam && lease.ips.length === 0)
            throw new CniError(CODE.delegate, 'the IPAM plugin gave no address', 'see its configuration under "ipam"')
          made = early
            ? await make({ ...lease, interfaces: early.result.interfaces }, await kernel.read(scope))
            : await make(lease, now)
          // Before releasing the lock: afterwards others build on this, and it can no longer be undone.
          deliver?.(made.result)
          return made.result
        } catch (error) {
          // Report the first error, not one of the cleanup.
          await made?.undo().catch(() => undefined)
          await ipam?.del(call).catch(() => undefined)
          await early?.undo()
          throw type.explain?.(config, error) ?? error
        }
      } finally {
        lock.release()
      }
    },
    del: async (call) => {
      const removed = type.removal.one(call)
      await removed.catch(() => undefined) // release the address in any case
      await (await ipamOf(call))?.del(call)
      await removed
    },
    check: async (call) => {
      const netns = containerNetns(call.netns)
      const kernel = await ownKernel()
      const config = await type.config(call, kernel)
      const ipam = await ipamOf(call)
      const wanted = type.completed(config, ownResult(call))
      await checkPlan(kernel, planFor(type)(call, config, netns, wanted), type.checkScope)
      await ipam?.check(call)
    },
    gc: async (call, valid) => {
      await type.removal.stale(call, valid)
      await (await ipamOf(call))?.gc(call, valid)
    },
    status: async (call) => {
      refuseWithoutType(call)
      const config = await type.config(call, await ownKernel())
      refuseObstacle(CODE.unavailable, type.obstacle?.(config))
      await requireTools(planFor(type)(call, config, call.netns, SOME))
      await (await ipamOf(call))?.status(call)
    },
  }
}

function refuseObstacle(code: number, obstacle: Obstacle | undefined): void {
  if (obstacle) throw new CniError(code, `network configuration: ${obstacle.problem}`, obstacle.fix)
}

/** Stands for addresses that are not known yet, but may be IPv4. */
const SOME: Result = { ...EMPTY, ips: [{ address: '0.0.0.0/32' }] }

/** The plan of a type, without IPv6 settings on a kernel that has none. */
function planFor<C>({ plan }: AttachmentType<C>): AttachmentType<C>['plan'] {
  if (existsSync('/proc/sys/net/ipv6')) return plan
  return (...given) => withoutIpv6(plan(...given))
}

/** What to read before making anything. */
function scopeBefore<C>(type: AttachmentType<C>, call: Call, config: C, netns: string): Scope {
  const bound = planFor(type)(call, config, netns, SOME).map(bindOperation)
  return { ...narrowScopeOf(bound), withoutElements: true }
}

/** Throws CniError `exists` if there is already an interface of this name, or an attachment with this id. */
export function refuseIfThere(call: Call, netns: string, now: State): void {
  const { name } = hostEnd(call)
  const there = findLink(now, call.ifname, netns)
  if (!there && !findLink(now, name)) return
  throw new CniError(
    CODE.exists,
    there
      ? `container ${call.containerId} already has an interface ${call.ifname}, in ${call.netns}`
      : `container ${call.containerId} is already on the network ${call.network}, with ${call.ifname} in another namespace`,
    'call DEL for it first, or ADD with another CNI_IFNAME',
  )
}

/** An attachment that was made: its result, and a function that undoes it. */
interface Made {
  result: Result
  undo: () => Promise<void>
}

/** Makes the attachment with the allocated addresses, all or nothing. */
async function attach<C>(
  type: AttachmentType<C>,
  kernel: Kernel,
  call: Call,
  config: C,
  netns: string,
  lease: Result,
  before: State,
  lock: MachineLock,
): Promise<Made> {
  const wanted = type.completed(config, lease)
  const planned = planFor(type)(call, config, netns, wanted, before).map(bindOperation)
  const scope = { ...narrowScopeOf(planned), withoutElements: true }
  const hasIpv6 = wanted.ips.some(({ address }) => isIpv6(address))
  const goBack = await type.makeWay?.(kernel, config, wanted, before)
  // When forwarding is turned on, the kernel overwrites every link's own setting: undo needs to know them.
  const isForwarding = (scope.sysctls.get(HOST) ?? []).every(
    (key) => !FORWARDINGS.includes(key) || before.get(HOST)?.sysctls[key] === '1',
  )
  let settled = before
  try {
    // It also needs to know the routes that the kernel drops then.
    const isRouter = isForwarding || !hasIpv6
    const read = (operations: readonly BoundOperation[]) =>
      kernel.read({
        ...(isRouter ? scope : { ...scope, ...scopeOf(operations), links: undefined }),
        forwarding: !isForwarding,
      })
    const known = hasIpv6 || goBack || !isForwarding ? await read(planned) : before
    const { operations: bound, now } = await withFirst(planned, known, read)
    const settle = async () => {
      settled = (await type.settle?.(kernel, call, config, netns, wanted, before, lock.without)) ?? before
    }
    const undo = await doUnrecorded(kernel, bound, now, settle).catch((error: unknown) =>
      doReplacing(kernel, bound, settle, error),
    )
    const result = toResult(type, call, config, netns, wanted, settled)
    return {
      result,
      undo: async () => {
        await undo()
        await goBack?.()
      },
    }
  } catch (error) {
    await goBack?.()
    throw error
  }
}

/**
 * Makes an attachment that failed with `error` once more, if rules or routes of an earlier holder of its addresses are in the
 * way, whose lease somebody deleted, or whose DEL another plugin did. (To look for them before would take longer than all
 * the rest, in a network of a thousand.)
 */
async function doReplacing(
  kernel: Kernel,
  operations: readonly BoundOperation[],
  settle: () => Promise<void>,
  error: unknown,
): Promise<() => Promise<void>> {
  if (!(error instanceof KernelError)) throw error
  const whole = await kernel.read(scopeOf(operations))
  if (!operations.some((operation) => operation.leftover(whole))) throw error
  return doUnrecorded(kernel, operations, whole, settle, (operation, now) => operation.leftover(now))
}

/** The CNI result of an attachment; `now` is a state that contains what is shared. */
export function toResult<C>(
  type: AttachmentType<C>,
  call: Call,
  config: C,
  netns: string,
  wanted: Result,
  now: State,
): Result {
  const interfaces = type.interfaces(call, config, netns, wanted, now)
  return {
    interfaces,
    ips: wanted.ips.map((one) => ({
      ...one,
      interface: interfaces.findIndex(({ sandbox }) => sandbox === call.netns),
    })),
    routes: wanted.routes,
    dns: dnsOf(call, wanted),
  }
}
