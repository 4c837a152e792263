import { basename, join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { statOf } from '../../kernel/read-file.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { createSandbox } from '../../sandbox/create.ts'
import { parseJson } from '../../state/json.ts'
import { pluginNames } from '../programs/list.ts'
import { parseResult, toVersion } from '../protocol/result.ts'
import { Bench, type Subject } from './bench.ts'
import { type Config, type Setup, setupFor } from './configs.ts'
import { inWords } from './judge.ts'
import { askVersions } from './run.ts'
import { findSubject, makeVisible } from './subject.ts'

/** What a plugin did with one configuration, as lines to compare; names and addresses that it chose at will are left out. */
interface Trial {
  result: string[]
  kernel: string[]
  packets: string[]
  leftovers: string[]
  /** Wall time of ADD and of DEL, in milliseconds. */
  ms: { add: number; del: number }
}

const ASPECTS = ['result', 'kernel', 'packets', 'leftovers'] as const

/** In what two plugins differ: the lines that only one of them has. */
interface Difference {
  aspect: (typeof ASPECTS)[number]
  onlyFirst: string[]
  onlySecond: string[]
}

/** The comparison of two plugins with one configuration. */
export interface Comparison {
  type: string
  config: Config
  differences: Difference[]
  ms: { first: Trial['ms']; second: Trial['ms'] }
}

/** What is tried with every type, besides its usual configuration. */
const CHANGES: readonly Config[] = [
  {},
  { mtu: 1400 },
  { isDefaultGateway: true, ipMasq: false },
  { ipam: { type: 'host-local', ranges: [[{ subnet: '10.98.0.0/24' }], [{ subnet: 'fd98::/64' }]] } },
  { ipam: { type: 'static', addresses: [{ address: '10.98.0.7/24', gateway: '10.98.0.1' }] } },
]

/**
 * Has two plugins, or all types that two folders have in common, do the same, and compares what comes of it. `config` is as
 * for `runConformance`. Throws CnilabError `usage` if there is nothing to compare, `machine` if there can be no sandbox.
 */
export async function compare(
  first: string,
  second: string,
  config: string | undefined,
  onComparison: (comparison: Comparison) => void,
): Promise<Comparison[]> {
  const pairs = pairsOf(first, second)
  const all: Comparison[] = []
  const live = await createSandbox(`conformance-${process.pid}`)
  try {
    const kernel = kernelOf(live.host)
    for (const [one, other] of pairs) {
      const type = basename(one)
      const setup = setupFor(type, config)
      for (const change of config === undefined && setup.kind === 'interface' ? CHANGES : [{}]) {
        const changed = { ...setup, config: { ...setup.config, ...change } }
        const [mine, theirs] = [await tryOne(kernel, one, changed), await tryOne(kernel, other, changed)]
        const comparison = {
          type,
          config: changed.config,
          differences: ASPECTS.flatMap((aspect) => difference(aspect, mine[aspect], theirs[aspect])),
          ms: { first: mine.ms, second: theirs.ms },
        }
        all.push(comparison)
        onComparison(comparison)
      }
    }
    return all
  } finally {
    live.end()
  }
}

function pairsOf(first: string, second: string): [string, string][] {
  const isFolder = (path: string) => path.includes('/') && statOf(path)?.isDirectory() === true
  if (!isFolder(first)) {
    const one = findSubject(first)
    return [[one, findSubject(isFolder(second) ? `${second}/${basename(one)}` : second)]]
  }
  const theirs = new Set(pluginNames(second))
  const common = pluginNames(first).filter((name) => theirs.has(name) && hasSetup(name))
  if (common.length === 0)
    throw new CnilabError('usage', `${first} and ${second} have no plugin in common that can be tried`, {
      fix: 'name two folders of plugins, or two plugins',
    })
  return common.map((name) => [findSubject(join(first, name)), findSubject(`${second}/${name}`)])
}

function hasSetup(type: string): boolean {
  try {
    setupFor(type)
    return true
  } catch {
    return false
  }
}

async function tryOne(kernel: Kernel, file: string, setup: Setup): Promise<Trial> {
  const visible = await makeVisible(kernel, file, setup.config)
  const { spoken } = await askVersions(kernel, visible.file)
  const version = spoken.findLast((one) => one !== '1.1.0') ?? '1.0.0' // one that both speak
  const subject: Subject = { ...visible, ...setup, type: basename(file), shown: file, versions: [version] }
  const bench = new Bench(kernel, subject)
  await bench.reset()
  await bench.container('c1')
  const before = await bench.footprint()
  const added = await bench.call('ADD')
  const between = await bench.footprint()
  const packets = await pings(kernel)
  const checked = await bench.call('CHECK')
  const deleted = await bench.call('DEL')
  const after = await bench.footprint()
  return {
    result: [...resultLines(added.code === 0 ? added.stdout : inWords(added)), `CHECK: exit status ${checked.code}`],
    kernel: stateLines(without(between, before)),
    packets,
    leftovers: [...stateLines(without(after, before)), `DEL: exit status ${deleted.code}`],
    ms: { add: added.ms, del: deleted.ms },
  }
}

/** Where a packet of the container's comes through. */
async function pings(kernel: Kernel): Promise<string[]> {
  const targets = { 'the gateway': '10.98.0.1', 'the internet': '203.0.113.1' }
  return Promise.all(
    Object.entries(targets).map(async ([what, address]) => {
      const { code } = await kernel.probe(['ping', '-c1', '-W1', address], 'c1')
      return `${what} (${address}) ${code === 0 ? 'answers' : 'does not answer'}`
    }),
  )
}

function resultLines(text: string): string[] {
  const json = parseJson(text)
  if (json === undefined) return [plain(text)]
  try {
    const entries = Object.entries(toVersion(parseResult(json), '1.0.0'))
    return entries.flatMap(([key, value]) =>
      Array.isArray(value)
        ? value.map((one) => `${key}: ${plain(JSON.stringify(one))}`)
        : [`${key}: ${plain(JSON.stringify(value))}`],
    )
  } catch {
    return [plain(text)]
  }
}

/** The lines of a state, with of nftables no more than its tables: everybody has rules of their own. */
function stateLines(lines: readonly string[]): string[] {
  return [...new Set(lines.filter((line) => !/: nft (?!table )/.test(line)).map(plain))].toSorted()
}

/** A line without what a plugin chooses at will: MAC addresses, and names of cables. */
function plain(line: string): string {
  return line.replaceAll(/\b(?:[\da-f]{2}:){5}[\da-f]{2}\b/g, 'MAC').replaceAll(/\bveth[\da-f]+\b/g, 'veth…')
}

function without(lines: readonly string[], others: readonly string[]): string[] {
  const known = new Set(others)
  return lines.filter((line) => !known.has(line))
}

function difference(aspect: Difference['aspect'], first: readonly string[], second: readonly string[]): Difference[] {
  const [onlyFirst, onlySecond] = [without(first, second), without(second, first)]
  return onlyFirst.length + onlySecond.length === 0 ? [] : [{ aspect, onlyFirst, onlySecond }]
}
