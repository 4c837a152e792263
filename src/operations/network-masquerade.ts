import * as z from 'zod'
import type { State } from '../state/state.ts'
import { ipAddress, subnet } from './ip.ts'
import { isIpv6 } from '../ip-arithmetic.ts'
import { netnsPlace, networkName, ownerName } from './names.ts'
import {
  elementsOf,
  type IpFamily,
  refuseShared,
  removeElement,
  removeOwned,
  removeShared,
  type SharedTable,
} from './nft-elements.ts'
import { deleteTable, foreignTable, hasRule, MARK_COMMENT, rulesIn, type TableObject } from './nft-tables.ts'
import {
  idIn,
  inNetns,
  MARK_ALIAS,
  missingNetns,
  namedNetns,
  nft,
  type OperationKind,
  type Reads,
  resource,
} from './operation.ts'

interface NetworkParams {
  network: string
  subnet: string
  netns?: string | undefined
}

interface MemberParams extends NetworkParams {
  address: string
  /** Whose address it is: `network/container/interface`. */
  owner: string
}

const multicast = { ip: '224.0.0.0/4', ip6: 'ff00::/8' }
const familyOf = (p: NetworkParams): IpFamily => (isIpv6(p.subnet) ? 'ip6' : 'ip')
const suffixOf = (p: NetworkParams) => p.subnet.replaceAll(/[^0-9a-f]/g, '_')
const setOf = (p: NetworkParams) => `${SETS}${suffixOf(p)}`
const chainOf = (p: NetworkParams) => `${CHAINS}${suffixOf(p)}`
const ownTable = (p: NetworkParams) => masqueradeTable(p.network, familyOf(p))
const named = ({ family, name }: SharedTable) => `${family} ${name}`
const ownRules = (p: NetworkParams, now: State) => rulesIn(p.netns, now)
const reads = ({ netns }: NetworkParams): Reads => ({ namespaces: namedNetns(netns), netns, rules: true })
const tables = (p: NetworkParams) => (p.netns === undefined ? [named(ownTable(p))] : [])

/** The table that masquerades a network's containers. */
export function masqueradeTable(network: string, family: IpFamily): SharedTable {
  // A name has 255 bytes (NFT_TABLE_MAXNAMELEN).
  const name = network.length > 200 ? `${network.slice(0, 200)}_${network.length}` : network
  return { family, name: `cnilab_network_${name}`, has }
}

const [SETS, CHAINS] = ['containers_', 'postrouting_']

function has({ kind, name, hook, comment }: TableObject): boolean {
  if (kind === 'set') return name.startsWith(SETS)
  return (
    name.startsWith(CHAINS) && (kind === 'rule' ? comment === MARK_ALIAS : kind === 'chain' && hook === 'postrouting')
  )
}

/**
 * Source NAT for a network of containers: one table of nftables for each network and family, and in it for each subnet a
 * set of the containers' addresses and a rule that masquerades what they send out of the subnet: nft(8), sets.
 */
export const networkMasquerade: OperationKind<'network-masquerade', NetworkParams> = {
  kind: 'network-masquerade',
  title: 'a rule that masquerades the containers of a network of CNI',
  step: () => 'masquerade',
  shared: true,
  get params() {
    return z.strictObject({
      network: networkName.describe('name of the network'),
      subnet: subnet.describe('a subnet of its containers'),
      netns: netnsPlace.optional().describe('the namespace by which they leave; the host without it'),
    })
  },
  id: (p) => idIn(p.netns, `${p.network}.${p.subnet}`),
  reads,
  provides: () => [],
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  tables,
  apply: (p) => {
    const family = familyOf(p)
    const at = [family, ownTable(p).name] as const
    const type = `ipv${family === 'ip' ? 4 : 6}_addr`
    const outside = [family, 'daddr', '!=', p.subnet, family, 'daddr', '!=', multicast[family]]
    return [
      nft(p.netns, 'add', 'table', ...at),
      nft(p.netns, 'add', 'set', ...at, setOf(p), `{ type ${type}; }`),
      nft(p.netns, 'add', 'chain', ...at, chainOf(p), '{ type nat hook postrouting priority srcnat; policy accept; }'),
      nft(p.netns, 'flush', 'chain', ...at, chainOf(p)), // once there, there is one rule
      nft(
        p.netns,
        'add',
        'rule',
        ...at,
        chainOf(p),
        family,
        'saddr',
        `@${setOf(p)}`,
        ...outside,
        'masquerade',
        ...MARK_COMMENT,
      ),
    ]
  },
  undo: (p, _before, now) => removeShared(ownTable(p), ownRules(p, now), p.netns),
  mend: (p) => [deleteTable(ownTable(p), p.netns), ...networkMasquerade.apply(p)],
  users: (p, now) => elementsOf(ownRules(p, now), ownTable(p)).map(({ owner }) => owner),
  refusal: (p, now) => refuseShared(ownTable(p), ownRules(p, now)),
  explain: (p) => ({
    undoing: `Stop masquerading containers in ${p.subnet}${inNetns(p.netns)}`,
    what: `Prepare the masquerading of containers in ${p.subnet}${inNetns(p.netns)}`,
    why: "All containers of the network share one rule; each has its address in the rule's set, so that one can leave without touching the others.",
  }),
  expected: (p) => `a rule masquerades the containers of ${p.network} in ${p.subnet}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const rules = ownRules(p, now)
    if (hasRule(rules, ownTable(p), chainOf(p), [`"@${setOf(p)}"`, '"masquerade"']))
      return { status: 'present', actual: `table ${named(ownTable(p))}${inNetns(p.netns)} has the rule` }
    const foreign = foreignTable(rules, ownTable(p))
    return foreign === undefined
      ? {
          status: 'absent',
          actual: `there is no such rule in a table ${named(ownTable(p))}${inNetns(p.netns)}`,
          before: {},
        }
      : { status: 'differs', actual: foreign }
  },
}

/** A container's address in the set of those that its network masquerades. */
export const masqueradedAddress: OperationKind<'masqueraded-address', MemberParams> = {
  kind: 'masqueraded-address',
  title: 'the address of a container in the rule of its network',
  step: () => 'masquerade',
  get params() {
    return z.strictObject({
      network: networkName.describe('name of the network'),
      subnet: subnet.describe('the subnet of the container'),
      address: ipAddress.describe('its address'),
      owner: ownerName.describe('whose address it is, as network/container/interface'),
      netns: netnsPlace.optional().describe('the namespace by which it leaves; the host without it'),
    })
  },
  id: (p) => idIn(p.netns, `${p.network}.${p.address}`),
  reads,
  provides: () => [],
  needs: (p) => namedNetns(p.netns).map(resource.netns),
  tables,
  // If somebody else had the address, `add` would silently do nothing.
  apply: (p) => {
    const { family, name } = ownTable(p)
    return [nft(p.netns, 'create', 'element', family, name, setOf(p), `{ ${p.address} comment "${p.owner}" }`)]
  },
  // The table goes with its last address.
  undo: (p, _before, now) => {
    const rules = ownRules(p, now)
    const isOwn = (owner: string) => owner === p.owner
    const isThere = elementsOf(rules, ownTable(p)).some(({ owner }) => isOwn(owner))
    return isThere ? removeOwned(ownTable(p), isOwn, rules, p.netns) : []
  },
  mend: (p, now) => [
    ...elementsOf(ownRules(p, now), ownTable(p))
      .filter(({ set, value }) => set === setOf(p) && value === p.address)
      .map((element) => removeElement(ownTable(p), element, p.netns)),
    ...masqueradedAddress.apply(p),
  ],
  explain: (p) => ({
    undoing: `Stop masquerading ${p.address}${inNetns(p.netns)}`,
    what: `Masquerade ${p.address} when it leaves ${p.subnet}${inNetns(p.netns)}`,
    why: `Nobody outside this host has a route back to ${p.address}. Masquerading replaces the source address of its packets with the host's own, and translates the replies back.`,
  }),
  leftover: () => true,
  expected: (p) => `${p.address} is masqueraded when it leaves ${p.subnet}${inNetns(p.netns)}`,
  judge: (p, now) => {
    const blocked = missingNetns(p.netns, now)
    if (blocked) return blocked
    const elements = elementsOf(ownRules(p, now), ownTable(p))
    const element = elements.find(({ set, value }) => set === setOf(p) && value === p.address)
    if (!element)
      return {
        status: 'absent',
        actual: `${p.address} is in no set of a table ${named(ownTable(p))}${inNetns(p.netns)}`,
        before: {},
      }
    return element.owner === p.owner
      ? { status: 'present', actual: `${p.address} is in the set of table ${named(ownTable(p))}${inNetns(p.netns)}` }
      : {
          status: 'differs',
          actual: `${p.address} is masqueraded${inNetns(p.netns)} for ${element.owner || 'somebody else'}`,
          owner: element.owner,
        }
  },
}
