// A program for nft.test.ts, which runs it as root of a network namespace of its own. It does operations there twice, by the
// program nft and by our messages, and prints what the kernel has after each step.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { attribute, FLAG, attributesIn, readAttributes, readString, text } from '../../../src/kernel/netlink/message.ts'
import { toNftMessages } from '../../../src/kernel/netlink/nft-commands.ts'
import { readTables } from '../../../src/kernel/netlink/nft-tables.ts'
import { BODY, NFT, nftMessage } from '../../../src/kernel/netlink/nft.ts'
import { type NetlinkSocket, openSocket, PROTOCOL } from '../../../src/kernel/netlink/socket.ts'
import { systemCalls } from '../../../src/kernel/netlink/system-calls.ts'
import type { Command } from '../../../src/operations/operation.ts'
import { membersOf } from '../../../src/operations/nft-tables.ts'
import { bindOperation, type BoundOperation, type KindName, parseOperation } from '../../../src/operations/registry.ts'
import { parseRuleset } from '../../../src/state/parse-ruleset.ts'
import { HOST, type Namespace, type NftObject, type State } from '../../../src/state/state.ts'

/** An operation. */
export interface Input {
  kind: KindName
  params: object
}

/** What is in the kernel. */
export interface Seen {
  /** Its bytes. */
  raw: readonly string[]
  /** What nft prints, and what it prints as JSON. */
  text: string
  json: readonly NftObject[]
  /** What we read: everything, and by the names of the tables. */
  ours: readonly NftObject[] | undefined
  named: readonly NftObject[] | undefined
  /** By name without elements, by us and by nft. */
  terse: readonly NftObject[] | undefined
  terseJson: readonly NftObject[]
}

export interface Step extends Seen {
  name: string
}

/** What this program prints. */
export interface Result {
  byProgram: readonly Step[]
  byMessages: readonly Step[]
  /** Of each of the tables that others made. */
  others: readonly { nft: readonly NftObject[]; ours: readonly NftObject[] | undefined }[]
}

/** Runs nft, and returns what it printed; throws what it complains of. */
function nft(words: readonly string[], input = ''): string {
  const { stdout, stderr, status } = spawnSync('nft', [...words], { input, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return stdout
}

const byProgram = (commands: readonly Command[]) =>
  void nft(['-f', '-'], commands.map(({ argv }) => `${argv.join(' ')}\n`).join(''))

function byMessages(socket: NetlinkSocket, commands: readonly Command[]): void {
  const messages = toNftMessages(commands)
  if (!messages) throw new Error(`not understood: ${commands.map(({ argv }) => argv.join(' ')).join('\n')}`)
  for (const { refusal } of socket.ask(messages)) if (refusal) throw new Error(refusal.words)
}

/** A piece of a message as text, without what tells when something was made: the attributes `except`. */
function raw(bytes: Buffer, from: number, except: readonly number[] = []): string {
  return attributesIn(bytes, from)
    .filter(({ type }) => !except.includes(type))
    .map(({ type, data }) => `${type}:${data.toString('hex')}`)
    .join(' ')
}

/** All that the kernel has, byte for byte; elements in no order. */
function dump(socket: NetlinkSocket): string[] {
  const list = (type: number, ...attributes: Buffer[]) =>
    socket.list(nftMessage(type, FLAG.request | FLAG.dump, attributes.length === 0 ? 0 : family, ...attributes))
  let family = 0
  const sets = list(NFT.getSet)
  const elements = sets.flatMap((set) => {
    const names = readAttributes(set, BODY)
    family = set[BODY - 4] ?? 0
    const place = [1, 2].map((type) => attribute(type, text(readString(names.get(type)) ?? '')))
    return list(NFT.getElements, ...place).flatMap((message) =>
      attributesIn(readAttributes(message, BODY).get(3) ?? Buffer.alloc(0)).map(({ data }) => raw(data, 0)),
    )
  })
  family = 0
  return [
    ...list(NFT.getTable).map((one) => `table ${one[BODY - 4]} ${raw(one, BODY, [4])}`),
    ...sets.map((one) => `set ${raw(one, BODY, [16])}`),
    ...elements.toSorted().map((one) => `element ${one}`),
    ...list(NFT.getChain).map((one) => `chain ${raw(one, BODY, [2])}`),
    ...list(NFT.getRule).map((one) => `rule ${raw(one, BODY, [3, 6])}`),
  ]
}

/** A state of the host that has just these rules. */
function withRules(rules: readonly NftObject[]): State {
  const nothing: Omit<Namespace, 'rules'> = {
    inode: 0,
    since: 0,
    links: [],
    routes: [],
    policyRoutes: [],
    forwarding: { inet: {}, inet6: {} },
    sysctls: {},
  }
  return new Map([[HOST, { ...nothing, rules }]])
}

function see(socket: NetlinkSocket): Seen {
  const printed = nft(['list', 'ruleset'])
  const tables = tablesIn(printed)
  return {
    raw: dump(socket),
    text: printed,
    json: parseRuleset(nft(['-j', 'list', 'ruleset'])),
    ours: readTables(socket, undefined, false),
    named: readTables(socket, tables, false),
    terse: readTables(socket, ['ip none', ...tables], true),
    terseJson: parseRuleset(nft(['-t', '-j', 'list', 'ruleset'])),
  }
}

/** The tables in what nft reads and prints. */
function tablesIn(printed: string): string[] {
  return [...printed.matchAll(/^table (\S+ \S+)/gm)].map(([, table = '']) => table)
}

/** The table that an object is, or in which it is. */
function placeOf(object: NftObject): string {
  const [kind, its] = Object.entries(object)[0] ?? []
  const { family, table, name } = membersOf(its)
  return [family, kind === 'table' ? name : table].join(' ')
}

/** Tells of each command whether it is the first of its kind. */
function isNew(): (command: Command) => boolean {
  const seen = new Set<string>()
  return ({ argv }) => seen.size < seen.add(argv.join(' ')).size
}

/** Does operations, mends them, and undoes them, those of one kind at once; returns what is there after each step. */
function tryAll(socket: NetlinkSocket, inputs: readonly Input[], run: (commands: readonly Command[]) => void): Step[] {
  const operations = inputs.map(({ kind, params }) => bindOperation(parseOperation(kind, params)))
  const groups = [...Map.groupBy(operations, ({ operation }) => operation.kind).values()]
  const tables = groups.filter((group) => group.every(({ apply }) => apply.some(({ argv }) => argv[1] === 'table')))
  const members = groups.filter((group) => !tables.includes(group))
  const steps: Step[] = []
  const step = (
    name: string,
    what: typeof groups,
    commands: (one: BoundOperation, now: State) => readonly Command[],
  ) => {
    for (const group of what) {
      const now = withRules(parseRuleset(nft(['-j', 'list', 'ruleset'])))
      // nft reverses elements that it creates at once, but for the first.
      if (members.includes(group)) for (const one of group) run(commands(one, now))
      else run(group.flatMap((one) => commands(one, now)))
    }
    steps.push({ name, ...see(socket) })
  }
  step('done', groups, ({ apply }) => apply)
  // What several share is done again for the next one, which changes nothing.
  step('done again', tables, ({ apply, shared }) => (shared ? apply : []))
  step('members mended', members, (one, now) => one.mend(now))
  step('members undone', members.toReversed(), (one, now) => one.undo({}, now))
  step('tables mended', tables, (one, now) => [...one.apply, ...one.mend(now)])
  // Two networks may be in one table.
  const isFirst = isNew()
  step('undone', tables.toReversed(), (one, now) => one.undo({}, now).filter(isFirst))
  return steps
}

const calls = await systemCalls()
if (!calls) throw new Error('there are no system calls')
const socket = openSocket(calls, PROTOCOL.netfilter)
// The test wrote it.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
const input = JSON.parse(readFileSync(0, 'utf8')) as { operations: Input[]; tables: string }
const byNft = tryAll(socket, input.operations, byProgram)
const byOurs = tryAll(socket, input.operations, (commands) => byMessages(socket, commands))
nft(['-f', '-'], input.tables)
const all = parseRuleset(nft(['-j', 'list', 'ruleset']))
const others = tablesIn(input.tables).map((table) => ({
  nft: all.filter((object) => placeOf(object) === table),
  ours: readTables(socket, [table], false),
}))
const result: Result = { byProgram: byNft, byMessages: byOurs, others }
console.log(JSON.stringify(result))
