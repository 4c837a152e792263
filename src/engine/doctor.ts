import { CnilabError } from '../errors.ts'
import { type Kernel, kernelOf } from '../kernel/kernel.ts'
import { isNamespaceLimit, remedyForLimit } from '../kernel/limits.ts'
import { readText } from '../kernel/read-file.ts'
import { bindOperation, parseOperation } from '../operations/registry.ts'
import { programLine } from '../plan/command-line.ts'
import { createSandbox } from '../sandbox/create.ts'
import { removeSandbox } from '../sandbox/remove.ts'
import { doPlan } from './do.ts'
import { installCommands, missingTools } from './install.ts'

/** The outcome of one trial, and what to run if it failed. */
export interface Trial {
  what: string
  ok: boolean
  detail: string
  fix?: string
}

/** Tries out what cnilab needs: the programs, a sandbox, and in it everything that a lab makes. */
export async function runTrials(): Promise<Trial[]> {
  const missing = missingTools()
  const programs: Trial = {
    what: 'programs',
    ok: missing.length === 0,
    detail: missing.length === 0 ? 'all installed' : `missing: ${missing.join(', ')}`,
    ...(missing.length === 0
      ? {}
      : {
          fix: installCommands(missing)
            .map((argv) => programLine({ argv }))
            .join(' && '),
        }),
  }
  // Without these a sandbox cannot be tried, and its failure would mean nothing.
  if (missing.some((tool) => tool !== 'nft' && tool !== 'ping')) return [programs]
  try {
    const live = await createSandbox(`doctor-${process.pid}`)
    const kernel = kernelOf({ ...live.host, common: false })
    try {
      return [
        programs,
        { what: 'sandbox', ok: true, detail: 'user, network, mount and pid namespaces, a tmpfs, a veth, an address' },
        await filterTrial(kernel),
        ...(await tryAll(kernel, missing)),
      ]
    } finally {
      await removeSandbox(live.sandbox)
      live.end()
    }
  } catch (error) {
    return [
      programs,
      {
        what: 'sandbox',
        ok: false,
        detail: error instanceof Error ? error.message : String(error),
        fix: error instanceof CnilabError && error.fix !== 'cnilab doctor' ? (error.fix ?? '') : namespaceRemedy(),
      },
    ]
  }
}

/** Without the filter a sandbox works, but is less safe; README says how. */
async function filterTrial(kernel: Kernel): Promise<Trial> {
  const { code } = await kernel.probe(['grep', '-q', '^Seccomp:.2', '/proc/self/status'])
  const detail =
    code === 0 ? 'filtered in sandboxes' : 'not filtered: cnilab does not know how to on this kernel or processor'
  return { what: 'system calls', ok: true, detail }
}

const plan = [
  { what: 'network namespace', operation: parseOperation('netns', { name: 'try' }) },
  { what: 'bridge', operation: parseOperation('bridge', { name: 'try0' }) },
  { what: 'veth pair', operation: parseOperation('veth', { name: 'try1', peer: 'try2' }) },
  { what: 'address', operation: parseOperation('address', { address: '192.0.2.1/24', ifname: 'try0' }) },
  { what: 'forwarding', operation: parseOperation('sysctl', { key: 'net.ipv4.ip_forward', value: '1' }) },
  { what: 'masquerading', operation: parseOperation('masquerade', { subnet: '192.0.2.0/24' }) },
]

async function tryAll(kernel: Kernel, missing: readonly string[]): Promise<Trial[]> {
  const trials: Trial[] = []
  for (const { what, operation } of plan) {
    const { reads, modules } = bindOperation(operation)
    if (reads.rules === true && missing.includes('nft')) continue
    try {
      await doPlan(kernel, [operation])
      trials.push({ what, ok: true, detail: 'works' })
    } catch (error) {
      const detail = error instanceof CnilabError ? error.message : String(error)
      const fix = isNamespaceLimit(detail)
        ? (limitRemedy() ?? remedyForLimit(detail))
        : modules === undefined
          ? undefined
          : `sudo modprobe -a ${modules}`
      trials.push({ what, ok: false, detail, ...(fix === undefined ? {} : { fix }) })
    }
  }
  return trials
}

/** The kinds of namespaces that a sandbox needs, as in the sysctls user.max_…_namespaces. */
const NAMESPACES = ['user', 'mnt', 'net', 'pid', 'ipc']

/** A limit below this was set on purpose: a sandbox takes two of each, and one more for each container. */
const FEW = 1000

/** The command that raises the limits on namespaces; undefined if they are high enough. */
function limitRemedy(): string | undefined {
  const few = NAMESPACES.map((kind) => `user.max_${kind}_namespaces`).filter((key) => Number(setting(key) ?? FEW) < FEW)
  return few.length === 0 ? undefined : `sudo sysctl -w ${few.map((key) => `${key}=15000`).join(' ')}`
}

/** The narrowest remedy for a system that refuses unprivileged user namespaces. */
function namespaceRemedy(): string {
  const more = limitRemedy()
  if (more !== undefined) return more
  if (setting('kernel.unprivileged_userns_clone') === '0') return 'sudo sysctl -w kernel.unprivileged_userns_clone=1'
  if (setting('kernel.apparmor_restrict_unprivileged_userns') === '1')
    // Only for unshare, rather than for every program through the sysctl.
    return `printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile cnilab-unshare /usr/bin/unshare flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/cnilab-unshare && sudo apparmor_parser -r /etc/apparmor.d/cnilab-unshare`
  return 'a container or a policy forbids user namespaces: run cnilab on the machine itself or in a VM'
}

function setting(name: string): string | undefined {
  try {
    return readText(`/proc/sys/${name.replaceAll('.', '/')}`).trim()
  } catch {
    return undefined
  }
}
