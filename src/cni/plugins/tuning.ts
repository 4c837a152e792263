import { doUnrecorded, undoOnError } from '../../engine/do-unrecorded.ts'
import { runRemoval } from '../../engine/run-removal.ts'
import { bindOperation, type Operation } from '../../operations/registry.ts'
import { settingsOfLink } from '../../operations/link-settings.ts'
import { narrowScopeOf } from '../../plan/scope.ts'
import { findLink } from '../../state/state.ts'
import { containerNetns, containerNetnsIfThere, ownKernel, refuseMisread } from '../host.ts'
import type { Call, PluginType } from '../protocol/plugin-type.ts'
import type { Result } from '../protocol/result.ts'
import { previousOf } from './chained.ts'
import { checkPlan } from './check-plan.ts'
import { requireTools } from './tools.ts'
import { type Former, forgetFormer, forgetOthers, formerOf, keepFormer } from './tuning-backup.ts'
import { dataDirOf, type Tuning, tuningConfig } from './tuning-config.ts'

/** Sets sysctls of the container's namespace, and properties of its interface. DEL gives those back. */
export const tuning: PluginType = {
  add: async (call, deliver) => {
    refuseMisread(call.ifname)
    const config = tuningConfig(call)
    const result = changed(previousOf(call), call, config)
    const netns = containerNetns(call.netns)
    const kernel = await ownKernel()
    const bound = tuningPlan(call, config, netns).map(bindOperation)
    const now = await kernel.read(narrowScopeOf(bound))
    const link = findLink(now, call.ifname, netns)
    const before = link ? former(config, settingsOfLink(link)) : {}
    const isKept = Object.keys(before).length > 0 && keepFormer(config.dataDir, call, before)
    const forget = () => void (isKept && forgetFormer(config.dataDir, call))
    const undo = await doUnrecorded(kernel, bound, now).catch((error: unknown) => {
      forget()
      throw error
    })
    await undoOnError(
      () => deliver?.(result),
      async () => {
        await undo()
        forget()
      },
    )
    return result
  },
  del: async (call) => {
    const folder = dataDirOf(call)
    const own = formerOf(folder, call)
    const netns = containerNetnsIfThere(call.netns)
    if (own && netns !== undefined) {
      const [settings] = linkPlan(call, own, netns).map(bindOperation)
      const kernel = await ownKernel()
      if (settings)
        await runRemoval(kernel, async () => {
          const verdict = settings.judge(await kernel.read(narrowScopeOf([settings])))
          return verdict.status === 'absent' ? settings.apply : []
        })
    }
    forgetFormer(folder, call)
  },
  check: async (call) => {
    previousOf(call)
    await checkPlan(await ownKernel(), tuningPlan(call, tuningConfig(call), containerNetns(call.netns)))
  },
  gc: (call, valid) => {
    forgetOthers(dataDirOf(call), call.network, valid)
    return Promise.resolve()
  },
  status: async (call) => {
    await requireTools(tuningPlan(call, tuningConfig(call), undefined))
  },
}

function tuningPlan(call: Call, { sysctls, link }: Tuning, netns: string | undefined): Operation[] {
  const settings = sysctls.map((one): Operation => ({ kind: 'sysctl', params: { ...one, netns } }))
  return [...settings, ...linkPlan(call, link, netns)]
}

/** None if nothing of the interface is to be changed. */
function linkPlan({ ifname }: Call, link: Tuning['link'], netns: string | undefined): Operation[] {
  return Object.values(link).every((value) => value === undefined)
    ? []
    : [{ kind: 'link-settings', params: { ifname, netns, ...link } }]
}

/** Of what the interface is like, that which is to be changed. */
function former({ link }: Tuning, now: Required<Former>): Former {
  const { mac, mtu, promiscuous, allMulticast, queueLength } = link
  return {
    ...(mac === undefined ? {} : { mac: now.mac }),
    ...(mtu === undefined ? {} : { mtu: now.mtu }),
    ...(promiscuous === undefined ? {} : { promiscuous: now.promiscuous }),
    ...(allMulticast === undefined ? {} : { allMulticast: now.allMulticast }),
    ...(queueLength === undefined ? {} : { queueLength: now.queueLength }),
  }
}

/** The result, in which the interface is as it will be. */
function changed(result: Result, { ifname }: Call, { link: { mac, mtu } }: Tuning): Result {
  const isOwn = ({ name, sandbox = '' }: Result['interfaces'][number]) => name === ifname && sandbox !== ''
  const interfaces = result.interfaces.map((one) =>
    isOwn(one) ? { ...one, ...(mac === undefined ? {} : { mac }), ...(mtu === undefined ? {} : { mtu }) } : one,
  )
  return { ...result, interfaces }
}
