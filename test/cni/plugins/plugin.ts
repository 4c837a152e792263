import * as z from 'zod'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import type { CniCommand } from '../../../src/cni/protocol/plugin-type.ts'
import { OURS } from '../plugin.ts'

const answerSchema = z.looseObject({
  code: z.number().optional(),
  msg: z.string().optional(),
  interfaces: z
    .array(z.object({ name: z.string(), mac: z.string(), mtu: z.number().optional(), sandbox: z.string().optional() }))
    .optional(),
  ips: z
    .array(z.object({ address: z.string(), gateway: z.string().optional(), interface: z.number().optional() }))
    .optional(),
})
/** What a plugin printed: a result, an error, or nothing. */
export type Answer = z.infer<typeof answerSchema>

/** A configuration as a plugin gets it. */
interface PluginConfig {
  type: string
  [key: string]: unknown
}

/** Which container's interface a call is about. */
export interface Which {
  netns?: string
  ifname?: string
}

/** Calls the built plugins in a sandbox; a container's id is the name of its namespace, unless `netns` is another, or ''. */
export function pluginsIn(kernel: Kernel) {
  return async (command: CniCommand, config: PluginConfig, id = '', which: Which = {}): Promise<Answer> => {
    const { netns = id, ifname = 'eth0' } = which
    const variables = [
      `CNI_COMMAND=${command}`,
      `CNI_PATH=${OURS}`,
      ...(id === '' ? [] : [`CNI_CONTAINERID=${id}`, `CNI_IFNAME=${ifname}`]),
      ...(netns === '' ? [] : [`CNI_NETNS=/run/netns/${netns}`]),
    ]
    const argv = ['env', ...variables, `${OURS}/${config.type}`]
    const { stdout, stderr } = await kernel.probe(argv, undefined, JSON.stringify(config))
    if (stderr !== '') throw new Error(stderr)
    return answerSchema.parse(stdout === '' ? {} : JSON.parse(stdout))
  }
}

/** A network of a type, with a pool of each family. */
export function network(type: string, more: object = {}): PluginConfig & { ipam: object } {
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }]
  const ranges = [[{ subnet: '10.23.0.0/16' }], [{ subnet: 'fd23::/64' }]]
  return { cniVersion: '1.1.0', name: 'net', type, ipMasq: true, ipam: { type: 'host-local', ranges, routes }, ...more }
}

/** Runs a line of shell in the sandbox, and returns what it printed. */
export async function shell(kernel: Kernel, line: string, netns?: string): Promise<string> {
  const { stdout, stderr } = await kernel.probe(['sh', '-c', line], netns)
  return `${stdout}${stderr}`
}
