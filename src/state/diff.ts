import * as z from 'zod'
import type { Link, Namespace, NftObject, State } from './state.ts'

/**
 * What is worth comparing in a state, as sorted lines such as `red: address eth0 10.22.0.2/16`. It leaves out indices,
 * MACs, handles and counters, which change by themselves, and link-local addresses.
 */
export function describe(state: State): string[] {
  return linesOf(state, nftWhole)
}

/** `nft` describes one object of `nft -j`. */
function linesOf(state: State, nft: (object: NftObject) => string): string[] {
  return [...state]
    .flatMap(([name, namespace]) => [
      `${name}: namespace`,
      ...(namespace ? describeNamespace(namespace, nft) : []).map((line) => `${name}: ${line}`),
    ])
    .toSorted()
}

function describeNamespace(namespace: Namespace, nft: (object: NftObject) => string): string[] {
  return [
    ...namespace.links.flatMap(describeLink),
    ...[...namespace.routes, ...namespace.policyRoutes]
      .filter((r) => !r.dst.startsWith('fe80:'))
      .map(
        (r) =>
          `route ${r.dst}${r.via === undefined ? '' : ` via ${r.via}`} dev ${r.dev ?? '-'}${r.table === 'main' ? '' : ` table ${r.table}`}`,
      ),
    ...Object.entries(namespace.sysctls).map(([key, value]) => `sysctl ${key}=${value}`),
    ...(['inet', 'inet6'] as const).flatMap((family) =>
      Object.entries(namespace.forwarding[family]).map(
        ([name, on]) => `forwarding ${family} ${name} ${on ? 'on' : 'off'}`,
      ),
    ),
    ...namespace.rules.map((object) => `nft ${nft(object)}`),
  ]
}

function nftWhole(object: NftObject): string {
  return JSON.stringify(object, (key, value: unknown) => (volatile.has(key) ? undefined : value))
}

const volatile = new Set(['handle', 'packets', 'bytes'])

function describeLink(link: Link): string[] {
  return [
    `link ${link.name}${link.kind === '' ? '' : ` ${link.kind}`} ${link.up ? 'up' : 'down'} mtu ${link.mtu}${link.promiscuous ? ' promiscuous' : ''}${link.master === undefined ? '' : ` master ${link.master}`}`,
    ...link.addresses.filter((a) => a.scope !== 'link').map((a) => `address ${link.name} ${a.address}/${a.prefix}`),
  ]
}

/**
 * Like `describe`, but for a learner: links, addresses, routes and rules, without the settings that follow from others.
 * Of a rule it shows only the chain that it is in.
 */
export function summarize(state: State): string[] {
  return linesOf(state, nftName).filter((line) => !/: forwarding |accept_redirects/.test(line))
}

const nftSchema = z.looseObject({
  family: z.string(),
  table: z.string().optional(),
  chain: z.string().optional(),
  name: z.string().optional(),
})

/** An object of `nft -j` as its kind, family, table, chain and name, as far as it has them: `rule ip nat postrouting`. */
function nftName(object: NftObject): string {
  const [[kind, value] = ['', undefined]] = Object.entries(object)
  const { family, table, chain, name } = nftSchema.safeParse(value).data ?? {}
  return [kind, family, table, chain, name].filter((word) => word !== undefined).join(' ')
}

/** The lines that only one of two descriptions has: `gone` those of `before`, `added` those of `after`. */
export function diff(before: readonly string[], after: readonly string[]): { gone: string[]; added: string[] } {
  const [old, fresh] = [new Set(before), new Set(after)]
  return { gone: before.filter((line) => !fresh.has(line)), added: after.filter((line) => !old.has(line)) }
}
