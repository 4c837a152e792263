import * as z from 'zod'
import { masqueradeRule, translation } from '../operations/masquerade.ts'
import { anyNetns, interfaceName } from '../operations/names.ts'
import { ipAddress, subnet } from '../operations/ip.ts'
import { macAddress } from '../operations/mac.ts'
import { inNetns, resource } from '../operations/operation.ts'
import { sysctlKeyRule } from '../rules/names.ts'
import { byRule } from '../operations/by-rule.ts'
import { readJson } from '../state/json.ts'
import { parseRuleset } from '../state/parse-ruleset.ts'
import { HOST } from '../state/state.ts'
import type { AssertionKind } from './assertion.ts'

const needsNetns = (p: { netns?: string | undefined }) => (p.netns === undefined ? [] : [resource.netns(p.netns)])

const place = anyNetns.optional().describe('the namespace that it is about; by default the host')

interface NeighbourParams {
  address: string
  netns?: string | undefined
  dev?: string | undefined
  mac?: string | undefined
}

const neighboursSchema = z.array(
  z.looseObject({ dst: z.string().optional(), dev: z.string().optional(), lladdr: z.string().optional() }),
)

/** The neighbour table (ARP, or NDP) knows the MAC address of an address: ip-neighbour(8). */
export const neighbour: AssertionKind<NeighbourParams> = {
  title: 'the neighbour table knows the MAC address of an address',
  params: z.strictObject({
    address: ipAddress.describe('the address'),
    netns: place,
    dev: interfaceName.optional().describe('the interface on which it is known'),
    mac: macAddress.optional().describe('the MAC address that it should have'),
  }),
  id: (p) => `${p.netns ?? HOST}.${p.address}`,
  what: (p, not) => `${p.netns ?? 'the host'} knows ${not ? 'no' : 'the'} MAC address of ${p.address}`,
  expected: (p, not) =>
    `${p.netns ?? 'the host'} ${not ? 'does not know' : 'knows'} ${p.address}${p.mac === undefined ? '' : ` as ${p.mac}`}${p.dev === undefined ? '' : ` on ${p.dev}`}`,
  why: 'On a cable, a packet goes to a MAC address. The kernel asks for it (ARP, or NDP) and remembers the answer.',
  needs: needsNetns,
  test: (p) => ({
    by: 'reading',
    reading: {
      argv: ['ip', '-j', 'neighbour', 'show', 'to', p.address],
      netns: p.netns,
      judge: ({ code, stdout }) => {
        const all = code === 0 ? readJson('ip -j neighbour show', stdout || '[]', neighboursSchema) : []
        const known = all.filter(({ lladdr }) => lladdr !== undefined)
        const one = known.find(
          ({ dev, lladdr }) => (p.dev === undefined || dev === p.dev) && (p.mac === undefined || lladdr === p.mac),
        )
        const [other] = known
        return {
          holds: one !== undefined,
          actual: other
            ? `${p.netns ?? 'the host'} knows ${p.address} as ${other.lladdr} on ${other.dev}`
            : `${p.netns ?? 'the host'} does not know ${p.address}`,
        }
      },
    },
  }),
}

interface MasqueradeParams {
  subnet: string
  netns?: string | undefined
}

/** Some nftables rule masquerades the packets that leave a subnet, whoever made it. */
export const masquerade: AssertionKind<MasqueradeParams> = {
  title: 'some rule masquerades the packets that leave a subnet',
  params: z.strictObject({ subnet: subnet.describe('the subnet'), netns: place }),
  id: (p) => `${p.netns ?? HOST}.${p.subnet}`,
  what: (p, not) => `${p.netns ?? 'the host'} ${not ? 'does not masquerade' : 'masquerades'} ${p.subnet}`,
  expected: (p, not) => `${not ? 'no' : 'a'} rule masquerades ${p.subnet}${inNetns(p.netns)}`,
  why: 'The outside has no route back to private addresses; it can answer only to an address that it knows.',
  needs: needsNetns,
  test: (p) => ({
    by: 'reading',
    reading: {
      argv: ['nft', '-j', 'list', 'ruleset'],
      netns: p.netns,
      judge: ({ code, stdout, stderr }, namespace) => {
        if (code !== 0) return { holds: false, actual: `the rules cannot be read: ${stderr.trim()}` }
        const rule = masqueradeRule(p.subnet, parseRuleset(stdout), namespace?.routes ?? [])
        return {
          holds: rule !== undefined,
          actual:
            rule === undefined
              ? `no rule masquerades ${p.subnet}${inNetns(p.netns)}`
              : `table ${rule} masquerades ${p.subnet}`,
        }
      },
    },
    proof: (now) => (p.netns === undefined ? translation(p.subnet, now) : undefined),
  }),
}

interface SysctlParams {
  key: string
  value: string
  netns?: string | undefined
}

/** A kernel setting of a namespace has a value: sysctl(8). */
export const sysctl: AssertionKind<SysctlParams> = {
  title: 'a setting of the kernel has a value',
  params: z.strictObject({
    key: byRule(sysctlKeyRule).describe('name of the setting'),
    value: z.string().describe('the value that it should have'),
    netns: place,
  }),
  id: (p) => `${p.netns ?? HOST}.${p.key}`,
  what: (p, not) => `${p.key}${inNetns(p.netns)} is ${not ? 'not ' : ''}${p.value}`,
  expected: (p, not) => `${p.key}${inNetns(p.netns)} is ${not ? 'not ' : ''}${p.value}`,
  why: 'A namespace has its own settings, and starts with the defaults: without ip_forward, for example, it is not a router.',
  needs: needsNetns,
  test: (p) => ({
    by: 'reading',
    reading: {
      argv: ['sysctl', '-n', p.key],
      netns: p.netns,
      judge: ({ code, stdout, stderr }) => {
        const value = stdout.trim().replaceAll(/\s+/g, ' ')
        return code === 0
          ? { holds: value === p.value, actual: `${p.key}${inNetns(p.netns)} is ${value}` }
          : { holds: false, actual: `${p.key} cannot be read: ${stderr.trim().split('\n')[0]}` }
      },
    },
  }),
}
