import * as z from 'zod'
import { HOST } from '../state/state.ts'
import { ipAddress, subnet } from './ip.ts'
import { isIpv6 } from '../ip-arithmetic.ts'
import { networkName, ownerName } from './names.ts'
import {
  elementsOf,
  type IpFamily,
  refuseShared,
  removeElement,
  removeOwned,
  removeShared,
  type SharedTable,
} from './nft-elements.ts'
import { deleteTable, foreignTable, hasRule, MARK_COMMENT, type TableObject } from './nft-tables.ts'
import { type Command, MARK_ALIAS, type OperationKind } from './operation.ts'

interface NetworkParams {
  network: string
  subnet: string
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
const nft = (...argv: string[]): Command => ({ tool: 'nft', argv })

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
    })
  },
  id: (p) => `${p.network}.${p.subnet}`,
  reads: () => ({ namespaces: [], rules: true }),
  provides: () => [],
  needs: () => [],
  tables: (p) => [named(ownTable(p))],
  apply: (p) => {
    const { family, name } = ownTable(p)
    const at = [family, name] as const
    const type = `ipv${family === 'ip' ? 4 : 6}_addr`
    const outside = [family, 'daddr', '!=', p.subnet, family, 'daddr', '!=', multicast[family]]
    return [
      nft('add', 'table', ...at),
      nft('add', 'set', ...at, setOf(p), `{ type ${type}; }`),
      nft('add', 'chain', ...at, chainOf(p), '{ type nat hook postrouting priority srcnat; policy accept; }'),
      nft('flush', 'chain', ...at, chainOf(p)), // once there, there is one rule
      nft('add', 'rule', ...at, chainOf(p), family, 'saddr', `@${setOf(p)}`, ...outside, 'masquerade', ...MARK_COMMENT),
    ]
  },
  undo: (p, _before, now) => removeShared(ownTable(p), now.get(HOST)?.rules ?? []),
  mend: (p) => [deleteTable(ownTable(p)), ...networkMasquerade.apply(p)],
  users: (p, now) => elementsOf(now.get(HOST)?.rules ?? [], ownTable(p)).map(({ owner }) => owner),
  refusal: (p, now) => refuseShared(ownTable(p), now.get(HOST)?.rules ?? []),
  explain: (p) => ({
    undoing: `Stop masquerading containers in ${p.subnet}`,
    what: `Prepare the masquerading of containers in ${p.subnet}`,
    why: "All containers of the network share one rule; each has its address in the rule's set, so that one can leave without touching the others.",
  }),
  expected: (p) => `a rule masquerades the containers of ${p.network} in ${p.subnet}`,
  judge: (p, now) => {
    const rules = now.get(HOST)?.rules ?? []
    if (hasRule(rules, ownTable(p), chainOf(p), [`"@${setOf(p)}"`, '"masquerade"']))
      return { status: 'present', actual: `table ${named(ownTable(p))} has the rule` }
    const foreign = foreignTable(rules, ownTable(p))
    return foreign === undefined
      ? { status: 'absent', actual: `there is no such rule in a table ${named(ownTable(p))}`, before: {} }
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
    })
  },
  id: (p) => `${p.network}.${p.address}`,
  reads: () => ({ namespaces: [], rules: true }),
  provides: () => [],
  needs: () => [],
  tables: (p) => [named(ownTable(p))],
  // If somebody else had the address, `add` would silently do nothing.
  apply: (p) => {
    const { family, name } = ownTable(p)
    return [nft('create', 'element', family, name, setOf(p), `{ ${p.address} comment "${p.owner}" }`)]
  },
  // The table goes with its last address.
  undo: (p, _before, now) => {
    const rules = now.get(HOST)?.rules ?? []
    const isOwn = (owner: string) => owner === p.owner
    const isThere = elementsOf(rules, ownTable(p)).some(({ owner }) => isOwn(owner))
    return isThere ? removeOwned(ownTable(p), isOwn, rules) : []
  },
  mend: (p, now) => [
    ...elementsOf(now.get(HOST)?.rules ?? [], ownTable(p))
      .filter(({ set, value }) => set === setOf(p) && value === p.address)
      .map((element) => removeElement(ownTable(p), element)),
    ...masqueradedAddress.apply(p),
  ],
  explain: (p) => ({
    undoing: `Stop masquerading ${p.address}`,
    what: `Masquerade ${p.address} when it leaves ${p.subnet}`,
    why: `Nobody outside this host has a route back to ${p.address}. Masquerading replaces the source address of its packets with the host's own, and translates the replies back.`,
  }),
  expected: (p) => `${p.address} is masqueraded when it leaves ${p.subnet}`,
  judge: (p, now) => {
    const elements = elementsOf(now.get(HOST)?.rules ?? [], ownTable(p))
    const element = elements.find(({ set, value }) => set === setOf(p) && value === p.address)
    if (!element)
      return { status: 'absent', actual: `${p.address} is in no set of a table ${named(ownTable(p))}`, before: {} }
    return element.owner === p.owner
      ? { status: 'present', actual: `${p.address} is in the set of table ${named(ownTable(p))}` }
      : { status: 'differs', actual: `${p.address} is masqueraded for ${element.owner || 'somebody else'}` }
  },
}
