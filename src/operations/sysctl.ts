import * as z from 'zod'
import { containersOf, HOST, type Namespace } from '../state/state.ts'
import { sysctlKeyRule } from '../rules/names.ts'
import { byRule } from './by-rule.ts'
import { isMasquerade } from './masquerade.ts'
import { netnsPlace } from './names.ts'
import {
  type Before,
  type Command,
  inNetns,
  missingNetns,
  namedNetns,
  type OperationKind,
  placeId,
  resource,
} from './operation.ts'
import { findSame } from './same-link.ts'

interface Params {
  key: string
  value: string
  netns?: string | undefined
}

/** The sysctls that turn forwarding on for a whole namespace (kernel docs, networking/ip-sysctl). */
export const FORWARDING = { inet: 'net.ipv4.ip_forward', inet6: 'net.ipv6.conf.all.forwarding' } as const

/** Whether to accept ICMP redirects: writing ip_forward flips it. */
export const REDIRECTS = 'net.ipv4.conf.all.accept_redirects'

/** The key that decides whether an interface accepts router advertisements. */
export function acceptRa(ifname: string): string {
  return `net.ipv6.conf.${ifname.replaceAll('.', '/')}.accept_ra`
}

/** The value of accept_ra with which an interface accepts them even while forwarding. */
const LISTENING = '2'
const isListening = ({ key, value }: Params) => key.endsWith('.accept_ra') && value === LISTENING

const set = (netns: string | undefined, assignment: string): Command => ({
  tool: 'sysctl',
  argv: ['-w', assignment],
  ...(netns === undefined ? {} : { netns }),
})

/** A kernel setting of a network namespace: sysctl(8). */
export const sysctl: OperationKind<'sysctl', Params> = {
  kind: 'sysctl',
  title: 'a setting of the kernel',
  // The bridge's own setting is part of creating it, and an interface needs IPv6 for its addresses.
  step: (p) =>
    p.key.endsWith('.disable_ipv6') ? 'ip' : isListening(p) || !p.key.endsWith('.accept_ra') ? 'masquerade' : 'bridge',
  shared: true,
  get params() {
    return z.strictObject({
      netns: netnsPlace.optional().describe('the namespace whose setting it is; by default the host'),
      key: byRule(sysctlKeyRule).describe('name of the setting, for example: net.ipv4.ip_forward'),
      value: z
        .string()
        .regex(/^[\w.-]+$/, { error: 'a sysctl value is a number or a word, for example: 1' })
        .describe('its value'),
    })
  },
  id: (p) => placeId(p.netns, p.key),
  // Writing ip_forward also changes redirects. Forwarding, and what was set for it, stays on as long as a rule
  // masquerades.
  reads: (p) => ({
    namespaces: namedNetns(p.netns),
    netns: p.netns,
    sysctls: [p.key, REDIRECTS, ...(isListening(p) ? [FORWARDING.inet6] : [])],
    rules: true,
  }),
  provides: () => [],
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  // When forwarding is turned on, the kernel drops the routes that routers advertised, unless it keeps listening to them.
  first: ({ netns, key, value }, now) => {
    const namespace = now.get(netns ?? HOST)
    if (key !== FORWARDING.inet6 || value !== '1' || namespace?.sysctls[key] === '1') return []
    const advertised = (namespace?.routes ?? []).filter((route) => route.family === 'inet6' && route.protocol === 'ra')
    const settings = new Set(advertised.flatMap(({ dev }) => (dev === undefined ? [] : acceptRa(dev))))
    // With 0, another program listens instead of the kernel.
    return [...settings]
      .filter((setting) => (namespace?.sysctls[setting] ?? '1') === '1')
      .map((setting) => ({ netns, key: setting, value: LISTENING }))
  },
  withoutIpv6: (p) => (p.key.startsWith('net.ipv6.') ? undefined : p),
  apply: (p) => [set(p.netns, `${p.key}=${p.value}`)],
  mend: (p) => sysctl.apply(p),
  target: ({ key, netns }) => {
    const [, ifname] = /^net\.ipv[46]\.(?:conf|neigh)\.([^.]+)\./.exec(key) ?? []
    return ifname === undefined || ['all', 'default'].includes(ifname)
      ? undefined
      : { ifname: ifname.replaceAll('/', '.'), netns }
  },
  undo: (p, before, now) => {
    const target = sysctl.target?.(p)
    if (target && !findSame(before, target.ifname, p.netns, now)) return []
    const namespace = now.get(p.netns ?? HOST)
    if (before.value === undefined || before.value === p.value) return []
    if (namespace?.sysctls[p.key] !== p.value) return [] // somebody has changed it since: it is theirs now
    return [`${p.key}=${before.value}`, ...putBack(p, before, namespace)].map((one) => set(p.netns, one))
  },
  users: (p, now) =>
    p.key === FORWARDING.inet
      ? natTables('ip', now.get(p.netns ?? HOST))
      : p.key === FORWARDING.inet6 || isListening(p)
        ? natTables('ip6', now.get(p.netns ?? HOST))
        : [],
  explain: (p) => ({
    what: `Set ${p.key} to ${p.value}${inNetns(p.netns)}`,
    undoing: `Set ${p.key}${inNetns(p.netns)} back`,
    why:
      p.key === FORWARDING.inet || p.key === FORWARDING.inet6
        ? 'By default Linux drops packets that are not for itself. Forwarding makes it a router, which it must be between the bridge and the uplink.'
        : isListening(p)
          ? 'A router does not listen to other routers: the kernel would drop the routes that they advertised to it, such as the default route. With 2 it keeps listening.'
          : p.key.endsWith('.accept_ra')
            ? 'Otherwise a container could tell the host, with IPv6 router advertisements, where to send its packets.'
            : 'A setting of this network stack only; other namespaces keep theirs.',
  }),
  expected: (p) => `${p.key} is ${p.value}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const namespace = now.get(p.netns ?? HOST)
    const value = namespace?.sysctls[p.key]
    const actual = `${p.key} ${value === undefined ? 'was not found' : `is ${value}`}${inNetns(p.netns)}`
    if (value === p.value) return { status: 'present', actual }
    return { status: 'absent', actual, before: value === undefined ? {} : { value, ...alongside(p.key, namespace) } }
  },
  // The host may forward between some interfaces only.
  proof: ({ key, value, netns }, now) => {
    const from = containersOf(now).filter((name) => now.get(name)?.routes.some(({ family }) => family === 'inet'))
    if (key !== FORWARDING.inet || value !== '1' || netns !== undefined || from.length === 0) return undefined
    const shows = ([caller]: readonly string[]) =>
      caller === undefined ? undefined : `the host forwards: the internet is called by ${caller}`
    return { by: 'callers', from, shows }
  },
}

const familyOf = (key: string) => (key === FORWARDING.inet ? 'inet' : key === FORWARDING.inet6 ? 'inet6' : undefined)
const forwardingOf = (family: 'inet' | 'inet6', ifname: string) =>
  `net.${family === 'inet' ? 'ipv4' : 'ipv6'}.conf.${ifname.replaceAll('.', '/')}.forwarding`
const asValue = (on: boolean) => (on ? '1' : '0')

/** The values that the kernel overwrites along with ip_forward: every interface's own setting, and accept_redirects. */
function alongside(key: string, namespace: Namespace | undefined): Pick<Before, 'alongside'> {
  const family = familyOf(key)
  if (!family || !namespace) return {}
  const all = namespace.forwarding[family]['all'] === true
  const own = Object.entries(namespace.forwarding[family]).filter(([, on]) => on !== all)
  const settings = own.map(([name, on]) => [forwardingOf(family, name), asValue(on)] as const)
  const redirects = namespace.sysctls[REDIRECTS]
  const values: Record<string, string> = Object.fromEntries(settings)
  if (family === 'inet' && redirects !== undefined) values[REDIRECTS] = redirects
  return { alongside: values }
}

/**
 * The assignments that restore what writing ip_forward back overwrites: the previous values, or the current ones if
 * somebody has changed them since.
 */
function putBack({ key, value }: Params, before: Before, namespace: Namespace): string[] {
  const family = familyOf(key)
  if (!family) return []
  const settings = Object.entries(namespace.forwarding[family]).flatMap(([name, on]) => {
    if (name === 'all') return []
    const setting = forwardingOf(family, name)
    const isChanged = on !== (value === '1')
    const wanted = isChanged ? asValue(on) : (before.alongside?.[setting] ?? before.value)
    return wanted === before.value ? [] : [`${setting}=${wanted}`]
  })
  const redirects = before.alongside?.[REDIRECTS]
  // The kernel accepts redirects only while it does not forward.
  const isChanged = namespace.sysctls[REDIRECTS] !== asValue(value !== '1')
  return [...settings, ...(redirects === undefined || isChanged ? [] : [`${REDIRECTS}=${redirects}`])]
}

/** The tables whose rules masquerade packets of a family: forwarding is on for their sake. */
function natTables(family: 'ip' | 'ip6', namespace: Namespace | undefined): string[] {
  const tables = (namespace?.rules ?? []).flatMap(({ rule }) => {
    const parsed = z
      .object({ family: z.enum([family, 'inet']), table: z.string(), expr: z.array(z.unknown()) })
      .safeParse(rule)
    return parsed.success && parsed.data.expr.some((e) => isMasquerade(e)) ? [parsed.data.table] : []
  })
  return [...new Set(tables)]
}
