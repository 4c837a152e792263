import { existsSync } from 'node:fs'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call, PluginType, ValidAttachments } from '../protocol/plugin-type.ts'
import type { Result, ResultIp } from '../protocol/result.ts'
import { hasRangesByRuntime, readHostLocal, storeOf } from './host-local-config.ts'
import { candidates, rangeFor, type RangeSet, shown, sizeOf, takenOf } from './ranges.ts'
import { requestedOf } from './requested.ts'
import { readResolvConf } from './resolv-conf.ts'
import {
  addressesIn,
  addressesOf,
  lastOf,
  holderOf,
  release,
  releaseAll,
  requireOwnStore,
  reserve,
  withStore,
} from './store.ts'

/** Hands out addresses from ranges, and records in files on this machine who has which. */
export const hostLocal: PluginType = { add, del, check, gc, status }

async function add(call: Call, deliver?: (result: Result) => void): Promise<Result> {
  const { sets, routes, resolvConf } = readHostLocal(call)
  const requested = requestedOf(call, sets)
  const dns = resolvConf === undefined ? {} : readResolvConf(resolvConf)
  const folder = storeOf(call)
  return withStore(folder, () => {
    refuseSecond(folder, call, sets)
    const reserved: string[] = []
    try {
      const ips = sets.map((set, i): ResultIp => {
        const wanted = requested[i]
        const from = wanted === undefined ? candidates(set, lastOf(folder, i)) : [wanted]
        const address = reserve(folder, call, from, i)
        const range = address === undefined ? undefined : rangeFor(set, address)
        if (address === undefined || range === undefined)
          throw wanted === undefined ? exhausted(CODE.noAddress, call, folder, set) : taken(folder, wanted)
        reserved.push(address)
        return { address: `${address}/${range.prefix}`, gateway: range.gateway }
      })
      const result = { interfaces: [], ips, routes, dns }
      deliver?.(result)
      return result
    } catch (error) {
      release(folder, call, reserved) // addresses from an earlier ADD stay
      throw error
    }
  })
}

async function del(call: Call): Promise<void> {
  const folder = storeOf(call)
  if (!existsSync(folder)) return
  await withStore(folder, () => release(folder, call, addressesOf(folder, call)))
}

async function check(call: Call): Promise<void> {
  const { sets } = readHostLocal(call)
  const folder = storeOf(call)
  const own = existsSync(folder) ? await withStore(folder, () => addressesOf(folder, call)) : []
  const shownIn = (call.prevResult?.ips ?? []).map(({ address }) => address.replace(/\/.*/, ''))
  for (const set of sets) {
    if (!own.some((address) => rangeFor(set, address)))
      throw differs(`${nameOf(call)} has no address reserved in ${shown(set)}`, `${folder} has no file of it`)
    for (const address of shownIn)
      if (rangeFor(set, address) && !own.includes(address))
        throw differs(
          `${address} of ${nameOf(call)} is not reserved for it`,
          holderOf(folder, address)
            ? `${folder}/${address} says that ${nameOf(holderOf(folder, address))} has it`
            : `the file ${folder}/${address} is missing, so another container may get the address`,
        )
  }
}

async function gc(call: Call, valid: ValidAttachments): Promise<void> {
  const folder = storeOf(call)
  if (!existsSync(folder)) return
  const pairs = new Set(valid.map(({ containerId, ifname }) => `${containerId}:${ifname}`))
  const containers = new Set(valid.map(({ containerId }) => containerId))
  await withStore(folder, () => {
    const stale = addressesIn(folder).filter((address) => {
      const { containerId, ifname } = holderOf(folder, address) ?? { containerId: '', ifname: '' }
      return ifname === '' ? !containers.has(containerId) : !pairs.has(`${containerId}:${ifname}`)
    })
    releaseAll(folder, stale)
  })
}

async function status(call: Call): Promise<void> {
  const folder = storeOf(call)
  requireOwnStore(folder)
  try {
    for (const set of readHostLocal(call).sets)
      if (BigInt(takenOf(set, addressesIn(folder))) >= sizeOf(set)) throw exhausted(CODE.unavailable, call, folder, set)
  } catch (error) {
    // Without the ranges that the runtime supplies with ADD, there is nothing to count.
    if (error instanceof CniError && error.code === CODE.config && hasRangesByRuntime(call)) return
    throw error
  }
}

/** Throws CniError `exists` if the container already has an address from one of the sets. */
function refuseSecond(folder: string, call: Call, sets: readonly RangeSet[]): void {
  const address = addressesOf(folder, call).find((one) => sets.some((set) => rangeFor(set, one)))
  if (address !== undefined)
    throw new CniError(
      CODE.exists,
      `${address} has already been allocated to ${nameOf(call)}: ADD came twice without a DEL in between`,
      `a DEL with the same container id and interface name releases it; its reservation is the file ${folder}/${address}`,
    )
}

function exhausted(code: number, call: Call, folder: string, set: RangeSet): CniError {
  return new CniError(
    code,
    `network ${call.network}: no address is free in ${shown(set)}: ${takenOf(set, addressesIn(folder))} of ${sizeOf(set)} are taken`,
    `each taken address is a file in ${folder}. CNI's GC removes stale ones, of containers that ended in a reboot or a crash; ` +
      'or remove the files of containers that are gone, or make the range larger',
  )
}

function taken(folder: string, address: string): CniError {
  return new CniError(
    CODE.noAddress,
    `the requested address ${address} is taken by ${nameOf(holderOf(folder, address))}`,
    `its reservation is the file ${folder}/${address}. If that container is gone, its DEL, CNI's GC or removing the file frees it`,
  )
}

function differs(message: string, details: string): CniError {
  return new CniError(CODE.differs, message, `${details}; DEL and ADD give the container a new address`)
}

function nameOf(owner: { containerId: string; ifname: string } | undefined): string {
  if (!owner || owner.containerId === '') return 'an unknown container (its file is empty)'
  return `container ${owner.containerId}${owner.ifname === '' ? '' : ` (${owner.ifname})`}`
}
