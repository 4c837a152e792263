import { CnilabError } from '../errors.ts'
import { type Kernel, kernelOf } from '../kernel/kernel.ts'
import { readText } from '../kernel/read-file.ts'
import { type KindName, parseOperation } from '../operations/registry.ts'
import { createSandbox } from '../sandbox/create.ts'
import { removeSandbox } from '../sandbox/remove.ts'
import { systemError } from '../system-error.ts'
import { doPlan } from './do.ts'
import { installCommands, missingTools } from './install.ts'

/** The verdict of one trial, and what to run if it failed. */
export interface Trial {
  what: string
  ok: boolean
  detail: string
  fix?: string
}

/** Tries what cnilab needs, for real: the programs, a sandbox, and in it each thing that a lab makes. */
export async function examine(): Promise<Trial[]> {
  const missing = missingTools()
  const programs: Trial = {
    what: 'programs',
    ok: missing.length === 0,
    detail: missing.length === 0 ? 'all are there' : `missing: ${missing.join(', ')}`,
    ...(missing.length === 0
      ? {}
      : {
          fix: installCommands(missing)
            .map((argv) => argv.join(' '))
            .join(' && '),
        }),
  }
  // Without these no sandbox can be tried, and its failure would say nothing.
  if (missing.some((tool) => tool !== 'nft' && tool !== 'ping')) return [programs]
  try {
    const live = await createSandbox(`doctor-${process.pid}`)
    try {
      return [
        programs,
        { what: 'sandbox', ok: true, detail: 'user, network, mount and pid namespaces, a tmpfs, a veth, an address' },
        ...(await tryAll(kernelOf({ ...live.host, common: false }), missing)),
      ]
    } finally {
      await removeSandbox(live.sandbox)
      live.end()
    }
  } catch (error) {
    const refusal = systemError(error) ?? (error instanceof CnilabError ? error : undefined)
    return [
      programs,
      {
        what: 'sandbox',
        ok: false,
        detail: refusal?.message ?? String(error),
        fix: refusal?.fix === undefined || refusal.fix === 'cnilab doctor' ? namespaceRemedy() : refusal.fix,
      },
    ]
  }
}

const plan = [
  { what: 'network namespace', operation: parseOperation('netns', { name: 'try' }) },
  { what: 'bridge', operation: parseOperation('bridge', { name: 'try0' }) },
  { what: 'veth pair', operation: parseOperation('veth', { name: 'try1', peer: 'try2' }) },
  { what: 'address', operation: parseOperation('address', { address: '192.0.2.1/24', ifname: 'try0' }) },
  { what: 'forwarding', operation: parseOperation('sysctl', { key: 'net.ipv4.ip_forward', value: '1' }) },
  { what: 'masquerading', operation: parseOperation('masquerade', { subnet: '192.0.2.0/24' }) },
]

/** The kernel modules that a kind of operation needs where they are not built in; the other kinds need none. */
const kernelModules: Readonly<Partial<Record<KindName, string>>> = {
  bridge: 'bridge',
  veth: 'veth',
  masquerade: 'nf_tables nft_masq nft_chain_nat',
}

async function tryAll(kernel: Kernel, missing: readonly string[]): Promise<Trial[]> {
  const trials: Trial[] = []
  for (const { what, operation } of plan) {
    // Forwarding is judged by the rules, too.
    if ((operation.kind === 'masquerade' || operation.kind === 'sysctl') && missing.includes('nft')) continue
    try {
      await doPlan(kernel, [operation])
      trials.push({ what, ok: true, detail: 'works' })
    } catch (error) {
      const modules = kernelModules[operation.kind]
      trials.push({
        what,
        ok: false,
        detail: error instanceof CnilabError ? error.message : String(error),
        ...(modules === undefined ? {} : { fix: `sudo modprobe -a ${modules}` }),
      })
    }
  }
  return trials
}

/** The narrowest remedy for a system that refuses unprivileged user namespaces. */
function namespaceRemedy(): string {
  if (setting('user/max_user_namespaces') === '0') return 'sudo sysctl -w user.max_user_namespaces=15000'
  if (setting('kernel/unprivileged_userns_clone') === '0') return 'sudo sysctl -w kernel.unprivileged_userns_clone=1'
  if (setting('kernel/apparmor_restrict_unprivileged_userns') === '1')
    // For unshare alone, rather than for every program through the sysctl.
    return `printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile cnilab-unshare /usr/bin/unshare flags=(unconfined) {\\n  userns,\\n}\\n' | sudo tee /etc/apparmor.d/cnilab-unshare && sudo apparmor_parser -r /etc/apparmor.d/cnilab-unshare`
  return 'a container or a policy forbids user namespaces: run cnilab on the machine itself or in a VM'
}

function setting(name: string): string | undefined {
  try {
    return readText(`/proc/sys/${name}`).trim()
  } catch {
    return undefined
  }
}
