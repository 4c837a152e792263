import * as z from 'zod'
import { readJson } from './json.ts'
import type { Address, Link, Namespace, Route } from './state.ts'

const linkSchema = z.object({
  ifindex: z.number(),
  ifname: z.string(),
  flags: z.array(z.string()),
  mtu: z.number(),
  txqlen: z.number().optional(),
  master: z.string().optional(),
  ifalias: z.string().optional(),
  address: z.string().optional(),
  link: z.string().optional(),
  link_index: z.number().optional(),
  link_netnsid: z.number().optional(),
  linkinfo: z
    .object({
      info_kind: z.string().optional(),
      info_slave_kind: z.string().optional(),
      info_data: z
        .object({ vlan_filtering: z.number().optional(), id: z.number().optional(), mode: z.string().optional() })
        .optional()
        .catch(undefined),
      info_slave_data: z
        .object({ hairpin: z.boolean().optional(), isolated: z.boolean().optional() })
        .optional()
        .catch(undefined),
    })
    .optional(),
  addr_info: z
    .array(
      z.object({
        family: z.string().optional(),
        local: z.string().optional(),
        prefixlen: z.number().optional(),
        scope: z.string().optional(),
        noprefixroute: z.boolean().optional(),
      }),
    )
    .default([]),
})

/** ip prints an empty object for everything that it filtered out. */
const linksSchema = z
  .array(z.looseObject({}))
  .transform((all) => all.filter((raw) => 'ifname' in raw))
  .pipe(z.array(linkSchema))

const routeSchema = z.object({
  type: z.string().optional(),
  dst: z.string(),
  gateway: z.string().optional(),
  dev: z.string().optional(),
  table: z.string().optional(),
  protocol: z.string().optional(),
  metric: z.number().optional(),
  scope: z.string().optional(),
  metrics: z.array(z.object({ mtu: z.number().optional(), advmss: z.number().optional() })).optional(),
  pref: z.string().optional(),
  /** Only a multipath route has them. */
  nexthops: z.array(z.object({ gateway: z.string().optional(), dev: z.string().optional() })).optional(),
})

const netconfSchema = z.object({
  family: z.string(),
  interface: z.string().optional(),
  forwarding: z.boolean().optional(),
})

/** The `ip -j -d -batch` input whose output `parseRouted` reads: one JSON document per line. */
export const READ_BATCH = 'address show\nroute show table all\nnetconf show\n'
/** How many JSON documents READ_BATCH yields for each namespace. */
export const READ_DOCUMENTS = 3

function toLink(raw: z.infer<typeof linkSchema>): Link {
  const addresses = raw.addr_info.flatMap((a): Address[] =>
    a.local !== undefined && a.prefixlen !== undefined && (a.family === 'inet' || a.family === 'inet6')
      ? [
          {
            family: a.family,
            address: a.local,
            prefix: a.prefixlen,
            scope: a.scope ?? 'global',
            prefixRoute: a.noprefixroute !== true,
          },
        ]
      : [],
  )
  return {
    index: raw.ifindex,
    name: raw.ifname,
    kind: raw.linkinfo?.info_kind ?? '',
    up: raw.flags.includes('UP'),
    mac: raw.address ?? '',
    mtu: raw.mtu,
    master: raw.master,
    alias: raw.ifalias,
    peer: raw.link,
    peerIndex: raw.link_index,
    peerNetnsId: raw.link_netnsid,
    port:
      raw.linkinfo?.info_slave_kind === 'bridge'
        ? {
            hairpin: raw.linkinfo.info_slave_data?.hairpin === true,
            isolated: raw.linkinfo.info_slave_data?.isolated === true,
          }
        : undefined,
    vlanFiltering: raw.linkinfo?.info_data?.vlan_filtering === 1,
    vlanId: raw.linkinfo?.info_kind === 'vlan' ? raw.linkinfo.info_data?.id : undefined,
    macvlanMode: raw.linkinfo?.info_kind === 'macvlan' ? raw.linkinfo.info_data?.mode : undefined,
    ipvlanMode: raw.linkinfo?.info_kind === 'ipvlan' ? raw.linkinfo.info_data?.mode : undefined,
    promiscuous: raw.flags.includes('PROMISC'),
    allMulticast: raw.flags.includes('ALLMULTI'),
    queueLength: raw.txqlen ?? 0,
    vlans: [],
    addresses,
  }
}

/** Leaves out the table `local` and IPv6's multicast routes, which come and go with the addresses. */
function toRoutes(raw: z.infer<typeof routeSchema>): Route[] {
  if (raw.table === 'local' || (raw.type !== undefined && raw.type !== 'unicast') || raw.dst === 'multicast') return []
  // Only IPv6 routes have a preference; nothing else gives away the family of a default route without a gateway.
  const isIpv6 = raw.dst.includes(':') || raw.gateway?.includes(':') === true || raw.pref !== undefined
  const family = isIpv6 ? 'inet6' : 'inet'
  return (raw.nexthops ?? [raw]).map(({ gateway, dev }) => ({
    family,
    dst: raw.dst,
    via: gateway,
    dev,
    table: raw.table ?? 'main',
    metric: raw.metric ?? 0,
    mtu: raw.metrics?.[0]?.mtu,
    advmss: raw.metrics?.[0]?.advmss,
    scope: raw.scope ?? 'global',
    protocol: raw.protocol ?? 'boot',
  }))
}

/** What ip(8) tells of a network namespace. */
export type Routed = Pick<Namespace, 'links' | 'routes' | 'policyRoutes' | 'forwarding'>

/** Parses the three documents of READ_BATCH: `ip -j -d` address, route and netconf listings. */
export function parseRouted(documents: readonly string[]): Routed {
  const [links = '[]', routes = '[]', netconf = '[]'] = documents
  const forwarding: { inet: Record<string, boolean>; inet6: Record<string, boolean> } = { inet: {}, inet6: {} }
  for (const entry of readJson('ip -j netconf show', netconf, z.array(netconfSchema)))
    if ((entry.family === 'inet' || entry.family === 'inet6') && entry.interface !== undefined)
      forwarding[entry.family][entry.interface] = entry.forwarding === true
  const all = readJson('ip -j route show table all', routes, z.array(routeSchema)).flatMap(toRoutes)
  return {
    links: readJson('ip -j -d address show', links, linksSchema).map(toLink),
    routes: all.filter(({ table }) => table === 'main'),
    policyRoutes: all.filter(({ table }) => table !== 'main'),
    forwarding,
  }
}

/** Parses `ip -j netns list-id` into names of namespaces by their ids. Leaves out namespaces without a name. */
export function parseNetnsIds(json: string): Map<number, string> {
  const schema = z.array(z.object({ nsid: z.number(), name: z.string().optional() }))
  const listed = readJson('ip -j netns list-id', json || '[]', schema)
  return new Map(listed.flatMap(({ nsid, name }) => (name === undefined ? [] : [[nsid, name] as const])))
}

/** The VLANs of bridge ports, by the port's name. */
export type Vlans = ReadonlyMap<string, Link['vlans']>

/** Parses `bridge -j -compressvlans vlan show`. */
export function parseVlans(json: string): Vlans {
  const vlan = z
    .object({ vlan: z.number(), vlanEnd: z.number().optional(), flags: z.array(z.string()).default([]) })
    .transform(({ vlan: first, vlanEnd, flags }) => ({
      first,
      last: vlanEnd ?? first,
      isUntagged: flags.includes('PVID'),
    }))
  const schema = z.array(z.object({ ifname: z.string(), vlans: z.array(vlan) }))
  const listed = readJson('bridge -j -compressvlans vlan show', json || '[]', schema)
  return new Map(listed.map(({ ifname, vlans }) => [ifname, vlans]))
}

/** Parses the lines `key = value` that sysctl(8) prints. */
export function parseSysctls(text: string): Record<string, string> {
  const pairs = text.split('\n').flatMap((line) => {
    const at = line.indexOf(' = ')
    return at < 0
      ? []
      : [
          [
            line.slice(0, at),
            line
              .slice(at + 3)
              .trim()
              .replaceAll(/\s+/g, ' '),
          ] as const,
        ]
  })
  return Object.fromEntries(pairs)
}
