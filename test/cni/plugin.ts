import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import * as z from 'zod'
import { callVariables, execute } from '../../src/cni/protocol/execute.ts'
import type { CniCommand } from '../../src/cni/protocol/plugin-type.ts'
import { APP } from '../../src/kernel/host.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { describe as lines } from '../../src/state/diff.ts'
import { withSandbox } from '../helpers.ts'

/** Our plugins as `npm test` has installed them: compiled, which is several times as fast; or else those that run on Node. */
const FOLDER = existsSync('dist/compiled') ? 'dist/compiled' : 'dist/plugins'

/** Our plugins, as a sandbox sees them. */
export const OURS = `${APP.package}/${FOLDER}`

/** Has a compiled plugin do without its own calls of the C library, and so without netlink, in front of its command line. */
export const BY_PROGRAMS = 'BUN_JSC_useJIT=0'

/** The same, as the machine sees them. */
export const OURS_OUTSIDE = resolve(FOLDER)

/** Go's plugins. */
export const REFERENCE = '/usr/lib/cni'

/** Tests that need Go's plugins are skipped where they are not installed. */
export const noReference = !existsSync(`${REFERENCE}/bridge`)

/** Where the addresses of a network are. */
export const STORE = '/var/lib/cni/networks'

const answerSchema = z.object({
  cniVersion: z.string().optional(),
  interfaces: z
    .array(
      z.object({
        name: z.string(),
        mac: z.string().optional(),
        mtu: z.number().optional(),
        sandbox: z.string().optional(),
      }),
    )
    .optional(),
  ips: z
    .array(
      z.object({
        version: z.string().optional(),
        address: z.string(),
        gateway: z.string().optional(),
        interface: z.number().optional(),
      }),
    )
    .optional(),
  routes: z.array(z.object({ dst: z.string(), gw: z.string().optional() })).optional(),
  ip4: z.unknown().optional(),
  ip6: z.unknown().optional(),
  dns: z.unknown().optional(),
  code: z.number().optional(),
  msg: z.string().optional(),
  details: z.string().optional(),
})

/** What a plugin printed: a result, or an error, which has a code; empty if it printed nothing. */
export type Answer = z.infer<typeof answerSchema>

/** A configuration of a network. */
export type Config = Readonly<Record<string, unknown>>

/** The network of most tests; `ipam` is added to that of host-local. */
export function network(more: object = {}, ipam: object = {}): Config {
  return {
    cniVersion: '1.1.0',
    name: 'mynet',
    type: 'bridge',
    bridge: 'cni0',
    isGateway: true,
    ipMasq: true,
    ipam: { type: 'host-local', subnet: '10.22.0.0/16', routes: [{ dst: '0.0.0.0/0' }], ...ipam },
    ...more,
  }
}

/** A network of both families, with all that makes rules. */
export const rich = network(
  { macspoofchk: true, hairpinMode: true, isDefaultGateway: true, mtu: 1400 },
  { subnet: undefined, ranges: [[{ subnet: '10.22.0.0/24' }], [{ subnet: 'fd00:7::/64' }]], routes: [] },
)

/** Who is attached, and by which plugin; what is left out is container `c-<netns>` with eth0 in the namespace red. */
export interface Attached {
  containerId?: string
  netns?: string
  ifname?: string
  args?: string
  /** The plugin's file. */
  file?: string
  /** The folders of CNI_PATH. */
  path?: readonly string[]
  /** Kills the plugin. */
  signal?: AbortSignal
}

/** One call of a plugin in a process of its own, in the sandbox. */
export async function cni(
  kernel: Kernel,
  command: CniCommand,
  config: Config,
  { netns = 'red', file = `${OURS}/bridge`, path = [OURS], signal, ...given }: Attached = {},
): Promise<Answer> {
  const place = netns === '' || netns.startsWith('/') ? netns : `/run/netns/${netns}`
  const common = { containerId: netns.startsWith('/') ? 'c-path' : `c-${netns}`, ifname: 'eth0', ...given, path }
  const attachment = command === 'GC' || command === 'STATUS' ? { path } : { ...common, netns: place }
  const { code, stdout, stderr } = await execute(
    kernel.host,
    file,
    callVariables(command, attachment),
    JSON.stringify(config),
    { signal },
  )
  if (code !== 0 && stdout === '') throw new Error(`${command} ended with ${code}: ${stderr}`)
  const answer = answerSchema.parse(stdout === '' ? {} : JSON.parse(stdout))
  if ((code === 0) !== (answer.code === undefined)) throw new Error(`${command} ended with ${code}: ${stdout}`)
  return answer
}

/** The configuration with the result of an ADD, for CHECK and DEL. */
export function after(config: Config, prevResult: Answer): Config {
  return { ...config, prevResult }
}

/** The configuration of a GC that leaves these containers alone. */
export function keeping(config: Config, ...containerIds: string[]): Config {
  return {
    ...config,
    'cni.dev/valid-attachments': containerIds.map((containerID) => ({ containerID, ifname: 'eth0' })),
  }
}

/** Runs `use` in a sandbox with these namespaces. */
export function withNamespaces(names: readonly string[], use: (kernel: Kernel) => Promise<void>): Promise<void> {
  return withSandbox(async (kernel) => {
    await sh(kernel, names.map((name) => `ip netns add ${name}`).join('\n'))
    await use(kernel)
  })
}

/** Runs a shell script on the host, or in a namespace, and returns what it printed. Throws if it failed. */
export async function sh(kernel: Kernel, script: string, netns?: string): Promise<string> {
  const { code, stdout, stderr } = await kernel.probe(['sh', '-ec', script], netns)
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${stderr}`)
  return stdout
}

/** What a program prints as JSON. */
export async function json(kernel: Kernel, words: string, netns?: string): Promise<unknown> {
  const { code, stdout, stderr } = await kernel.probe(words.split(' '), netns)
  if (code !== 0) throw new Error(`${words} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout.trim() || '[]')
}

/** Whether one ping is answered within a second. */
export async function pings(kernel: Kernel, netns: string | undefined, address: string): Promise<boolean> {
  return (await kernel.probe(['ping', '-c1', '-W1', address], netns)).code === 0
}

/** The addresses that are reserved, of all networks. */
export async function reserved(kernel: Kernel): Promise<string[]> {
  const files = await sh(kernel, `[ ! -e ${STORE} ] || find ${STORE} -type f -name '*[.:]*' -printf '%P\\n'`)
  return files
    .split('\n')
    .filter((file) => file !== '' && !/last_reserved_ip|\/\.|\/lock$/.test(file))
    .toSorted()
}

/** All that a plugin may leave: links, addresses, routes, rules, forwarding, and reserved addresses. */
export async function everything(kernel: Kernel): Promise<string[]> {
  return [...lines(await kernel.read()), ...(await reserved(kernel)).map((file) => `reserved ${file}`)]
}

/** The lines of `everything` that name no bridge of the host, which stays when the last container has gone. */
export async function everythingButBridge(kernel: Kernel, bridge = 'cni0'): Promise<string[]> {
  return (await everything(kernel)).filter((line) => !line.includes(bridge) && !line.includes('forwarding inet'))
}
