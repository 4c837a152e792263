import { networkInterfaces } from 'node:os'
import { isInstalled } from './environment.ts'
import type { Kernel } from './kernel.ts'
import { type Flow, forgetFlows } from './netlink/conntrack.ts'
import { openSocket, PROTOCOL } from './netlink/socket.ts'
import { systemCalls } from './netlink/system-calls.ts'

/** A UDP port of the host that leads to a port of a container, or did. */
export interface UdpPort {
  /** '' for all addresses of the host. */
  hostIp: string
  hostPort: number
  address: string
  containerPort: number
}

const UDP = 17

/**
 * Makes the kernel forget the flows of UDP that came for ports of this host before they led where they lead now. It keeps a
 * translation for as long as packets of the flow come, whatever the rules say by then: a client that goes on sending would never
 * reach the next container. Best effort, as in the reference: a node without connection tracking has no such flows.
 */
export function forgetOldFlows(kernel: Kernel, ports: readonly UdpPort[]): Promise<void> {
  const own = Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
  return forget(kernel, ports, (flow, { hostIp, hostPort, address }) => {
    const isHere =
      hostIp === '' ? own.includes(flow.address) || flow.answerer.address !== flow.address : flow.address === hostIp
    return isHere && flow.port === hostPort && flow.answerer.address !== address
  })
}

/** Makes the kernel forget the flows of UDP that lead to a container by ports that no longer do. */
export function forgetFlowsTo(kernel: Kernel, ports: readonly UdpPort[]): Promise<void> {
  return forget(
    kernel,
    ports,
    ({ port, answerer }, { hostPort, address, containerPort }) =>
      port === hostPort && answerer.address === address && answerer.port === containerPort,
  )
}

async function forget(
  kernel: Kernel,
  ports: readonly UdpPort[],
  isMeant: (flow: Flow, port: UdpPort) => boolean,
): Promise<void> {
  if (ports.length === 0) return
  try {
    const calls = await systemCalls()
    if (!calls) return await forgetByProgram(kernel, ports)
    const socket = openSocket(calls, PROTOCOL.netfilter)
    try {
      forgetFlows(socket, (flow) => flow.protocol === UDP && ports.some((port) => isMeant(flow, port)))
    } finally {
      socket.close()
    }
  } catch {
    // what the kernel cannot track, it has not remembered
  }
}

/** The same by conntrack(8), where the C library cannot be called: all flows of these ports. */
async function forgetByProgram(kernel: Kernel, ports: readonly UdpPort[]): Promise<void> {
  if (!isInstalled('conntrack')) return
  for (const family of ['ipv4', 'ipv6'])
    for (const port of new Set(ports.map(({ hostPort }) => hostPort)))
      await kernel.probe(['conntrack', '-D', '-f', family, '-p', 'udp', '--orig-port-dst', String(port)])
}
