import * as z from 'zod'
import { HOST, type Namespace } from '../state/state.ts'
import { isMasquerade } from './masquerade.ts'
import { netnsPlace } from './names.ts'
import { type Before, type Command, inNetns, type OperationKind, placeId } from './operation.ts'

interface Params {
  key: string
  value: string
  /** Of an interface of a namespace: not read, so that it is written in any case. */
  netns?: string | undefined
}

/** The sysctls that turn forwarding on for a whole namespace (kernel docs, networking/ip-sysctl). */
export const FORWARDING = { inet: 'net.ipv4.ip_forward', inet6: 'net.ipv6.conf.all.forwarding' } as const

/** Whether ICMP redirects are believed: the kernel turns it round when ip_forward is written. */
export const REDIRECTS = 'net.ipv4.conf.all.accept_redirects'

const set = (...assignments: string[]): Command => ({ tool: 'sysctl', argv: ['-w', ...assignments] })

/** The name of a setting that each network namespace has for itself. */
export const sysctlKey = z.string().regex(/^net(\.[a-zA-Z0-9_/-]+)+$/, {
  error: (issue) => `'${String(issue.input)}' is not a sysctl of a network namespace, for example: net.ipv4.ip_forward`,
})

/** A kernel setting of a network namespace: sysctl(8). */
export const sysctl: OperationKind<'sysctl', Params> = {
  kind: 'sysctl',
  shared: true,
  get params() {
    return z.strictObject({
      netns: netnsPlace.optional(),
      key: sysctlKey,
      value: z.string().regex(/^[\w.-]+$/, { error: 'a sysctl value is a number or a word, for example: 1' }),
    })
  },
  id: (p) => placeId(p.netns, p.key),
  provides: () => [],
  needs: () => [],
  apply: (p) => [{ ...set(`${p.key}=${p.value}`), netns: p.netns }],
  undo: (p, before, now) => {
    if (p.netns !== undefined) return [] // it goes with its interface
    const namespace = now.get(HOST)
    if (before.value === undefined || before.value === p.value) return []
    if (namespace?.sysctls[p.key] !== p.value) return [] // somebody changed it since: theirs now
    const restore = Object.entries(before.alongside ?? {}).filter(([key]) => exists(namespace, key))
    return [set(`${p.key}=${before.value}`), ...restore.map(([key, value]) => set(`${key}=${value}`))]
  },
  users: (p, now) =>
    p.key === FORWARDING.inet
      ? natTables('ip', now.get(HOST))
      : p.key === FORWARDING.inet6
        ? natTables('ip6', now.get(HOST))
        : [],
  explain: (p) => ({
    what: `Set ${p.key} to ${p.value}`,
    why:
      p.key === FORWARDING.inet || p.key === FORWARDING.inet6
        ? 'By default Linux drops packets that are not for itself. Forwarding makes it a router, which it must be between the bridge and the uplink.'
        : p.key.endsWith('.accept_ra')
          ? 'Else a container could tell the host by IPv6 router advertisements where to send its packets.'
          : 'A setting of this network stack alone; other namespaces keep theirs.',
  }),
  expected: (p) => `${p.key} is ${p.value}`,
  judge: (p, now) => {
    if (p.netns !== undefined)
      return { status: 'absent', actual: `${p.key} was not read${inNetns(p.netns)}`, before: {} }
    const namespace = now.get(HOST)
    const value = namespace?.sysctls[p.key]
    const actual = value === undefined ? `${p.key} was not found` : `${p.key} is ${value}`
    if (value === p.value) return { status: 'present', actual }
    return { status: 'absent', actual, before: value === undefined ? {} : { value, ...alongside(p.key, namespace) } }
  },
}

/** What the kernel rewrites when ip_forward is written: every interface's own setting, and accept_redirects. */
function alongside(key: string, namespace: Namespace | undefined): Pick<Before, 'alongside'> {
  const family = key === FORWARDING.inet ? 'inet' : key === FORWARDING.inet6 ? 'inet6' : undefined
  if (!family || !namespace) return {}
  const all = namespace.forwarding[family]['all'] === true
  const own = Object.entries(namespace.forwarding[family]).filter(([, on]) => on !== all)
  const settings = own.map(
    ([name, on]) =>
      [
        `net.${family === 'inet' ? 'ipv4' : 'ipv6'}.conf.${name.replaceAll('.', '/')}.forwarding`,
        on ? '1' : '0',
      ] as const,
  )
  const redirects = namespace.sysctls[REDIRECTS]
  const values: Record<string, string> = Object.fromEntries(settings)
  if (family === 'inet' && redirects !== undefined) values[REDIRECTS] = redirects
  return { alongside: values }
}

function exists(namespace: Namespace, key: string): boolean {
  const [, family, name] = /^net\.(ipv[46])\.conf\.(.+)\.forwarding$/.exec(key) ?? []
  return name === undefined || name.replaceAll('/', '.') in namespace.forwarding[family === 'ipv4' ? 'inet' : 'inet6']
}

/** Tables whose rules masquerade packets of a family: they are what forwarding is on for. */
function natTables(family: 'ip' | 'ip6', namespace: Namespace | undefined): string[] {
  const tables = (namespace?.rules ?? []).flatMap(({ rule }) => {
    const parsed = z
      .object({ family: z.enum([family, 'inet']), table: z.string(), expr: z.array(z.unknown()) })
      .safeParse(rule)
    return parsed.success && parsed.data.expr.some((e) => isMasquerade(e)) ? [parsed.data.table] : []
  })
  return [...new Set(tables)]
}
