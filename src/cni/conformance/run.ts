import { basename } from 'node:path'
import * as z from 'zod'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { createSandbox } from '../../sandbox/create.ts'
import { UPLINK } from '../../state/state.ts'
import { callVariables, execute } from '../protocol/execute.ts'
import { atLeast, type Version, VERSIONS } from '../protocol/versions.ts'
import { behaviour } from './behaviour.ts'
import { Bench, isHanging, limited, type Subject, TIME_LIMIT } from './bench.ts'
import type { Check } from './check.ts'
import { type PluginKind, NotApplicable, Violation } from './verdict.ts'
import { checking } from './checking.ts'
import { addresses } from './addresses.ts'
import { collecting } from './collecting.ts'
import { type Config, setupFor } from './configs.ts'
import { delegation } from './delegation.ts'
import { parseJson } from '../../state/json.ts'
import { KNOWN_DEFECTS, type KnownDefect, REFERENCE } from './known-defects.ts'
import { protocol } from './protocol.ts'
import { findSubject, makeVisible } from './subject.ts'
import { versions } from './versions.ts'

/** The groups of checks, in order. The check of ADD decides whether others can run. */
const GROUPS: readonly { title: string; checks: readonly Check[] }[] = [
  { title: 'ADD and the result of each version', checks: versions },
  { title: 'protocol: variables, configuration, errors', checks: protocol },
  { title: 'ADD and DEL', checks: behaviour },
  { title: 'CHECK', checks: checking },
  { title: 'delegation to an IPAM plugin', checks: delegation },
  { title: 'GC and STATUS', checks: collecting },
  { title: 'addresses, concurrent calls, kills', checks: addresses },
]

/** The outcome of one check. */
export interface Outcome {
  id: string
  group: string
  title: string
  level: Check['level']
  spec: string
  /** Null if the check does not apply. */
  passed: boolean | null
  /** Why it does not apply. */
  reason?: string
  expected?: string
  actual?: string
  /** For a failure: the shell lines that reproduce it in an empty sandbox. */
  reproduce?: string[]
  /** For a known defect of a published plugin: which. */
  known?: string
  /** Wall time, in milliseconds. */
  ms: number
}

/** How many of the checks that apply passed, and how many failed. */
interface Total {
  passed: number
  failed: number
}

/** The suite's report on a plugin. */
export interface ConformanceReport {
  plugin: { type: string; file: string; kind: PluginKind; versions: readonly Version[]; reference: boolean }
  config: Config
  outcomes: Outcome[]
  totals: { required: Total; recommended: Total; skipped: number }
  /** Whether every required check that applies passed. */
  ok: boolean
  ms: number
}

/** Options of `runConformance`. */
export interface ConformanceOptions {
  /** The path of an executable, or the type of an installed plugin. */
  plugin: string
  /** A file with a network configuration, or with a list that contains the plugin's. */
  config?: string | undefined
  /** Which checks to make, by their ids; by default all. */
  isWanted?: (check: string) => boolean
  /** Called with each outcome as it comes. */
  onOutcome?: (outcome: Outcome) => void
}

/**
 * Runs the checks of the CNI spec against a plugin's executable, each in an emptied sandbox. Throws CnilabError `usage` if
 * there is no such plugin or no configuration for it, `machine` if there can be no sandbox.
 */
export async function runConformance({
  plugin,
  config,
  isWanted = () => true,
  onOutcome,
}: ConformanceOptions): Promise<ConformanceReport> {
  const started = performance.now()
  const shown = findSubject(plugin)
  const type = basename(shown)
  const setup = setupFor(type, config)
  const live = await createSandbox(`conformance-${process.pid}`)
  try {
    const kernel = kernelOf(live.host)
    const visible = await makeVisible(kernel, shown, setup.config)
    const { spoken: supported, hangs } = await askVersions(kernel, visible.file)
    // One that lists none is tried with what most speak.
    const tried: Version[] = supported.length > 0 ? supported : ['1.0.0']
    const subject: Subject = { ...visible, ...setup, type, shown, versions: tried }
    const isReference = !hangs && (await isTheReference(kernel, visible.file, supported))
    const bench = new Bench(kernel, subject)
    bench.hung = hangs ? PATIENCE - 1 : 0 // one more, for it may hang in VERSION alone
    bench.hopeless = await lacking(kernel, type)
    const outcomes: Outcome[] = []
    for (const { title, checks } of GROUPS)
      for (const check of checks.filter(({ id }) => isWanted(id))) {
        const outcome = { ...(await runOne(bench, check)), group: title }
        const known = isReference && outcome.passed === false ? knownDefect(type, check.id) : undefined
        const whole = known ? { ...outcome, known: words(known) } : outcome
        if (check.id === 'add.works' && outcome.passed === false) bench.hopeless ??= 'ADD does not work: see add.works'
        outcomes.push(whole)
        onOutcome?.(whole)
      }
    const totals = totalsOf(outcomes)
    return {
      plugin: { type, file: shown, kind: setup.kind, versions: supported, reference: isReference },
      config: setup.config,
      outcomes,
      totals,
      ok: totals.required.failed === 0 && bench.hung < PATIENCE,
      ms: Math.round(performance.now() - started),
    }
  } finally {
    live.end()
  }
}

/** After how many calls that do not end a run does: a hundred checks of a plugin that hangs would take half an hour. */
const PATIENCE = 3

async function runOne(bench: Bench, check: Check): Promise<Omit<Outcome, 'group'>> {
  const started = performance.now()
  const { id, title, level, spec } = check
  const end = (rest: Pick<Outcome, 'passed'> & Partial<Outcome>) => {
    return { id, title, level, spec, ...rest, ms: Math.round(performance.now() - started) }
  }
  const reason =
    bench.hung >= PATIENCE
      ? `the plugin hangs: calls did not end within ${TIME_LIMIT} s, so the run ended early`
      : outOfScope(bench.subject, check)
  if (reason !== undefined) return end({ passed: null, reason })
  await bench.reset()
  try {
    await check.run(bench)
    return end({ passed: true })
  } catch (error) {
    if (error instanceof NotApplicable) return end({ passed: null, reason: error.message })
    if (!(error instanceof Violation)) throw error
    const { expected, actual } = error
    return end({ passed: false, expected, actual, reproduce: bench.history })
  }
}

const KINDS: Readonly<Record<PluginKind, string>> = {
  interface: 'creates an interface',
  chained: 'is chained to another',
  ipam: 'hands out addresses',
  loopback: 'brings lo up',
}

function outOfScope({ kind, versions: spoken }: Subject, { kinds, since }: Check): string | undefined {
  if (kinds && !kinds.includes(kind)) return `it does not apply to a plugin that ${KINDS[kind]}`
  if (since !== undefined && !spoken.some((version) => atLeast(version, since)))
    return `the plugin does not support ${since} or newer`
  return undefined
}

function totalsOf(outcomes: readonly Outcome[]): ConformanceReport['totals'] {
  const total = (level: Check['level']) => {
    const own = outcomes.filter((outcome) => outcome.level === level)
    return {
      passed: own.filter(({ passed }) => passed === true).length,
      failed: own.filter(({ passed }) => passed === false).length,
    }
  }
  const skipped = outcomes.filter(({ passed }) => passed === null).length
  return { required: total('required'), recommended: total('recommended'), skipped }
}

/** In how many seconds a plugin must say which versions it supports. */
const QUICK = 5

const versionsSchema = z.object({ supportedVersions: z.array(z.string()) })

/** The versions that a plugin lists, as far as we know them, and whether it does not even end. */
export async function askVersions(kernel: Kernel, file: string): Promise<{ spoken: Version[]; hangs: boolean }> {
  const variables = callVariables('VERSION', { path: [] })
  const input = JSON.stringify({ cniVersion: '1.0.0' })
  const answer = await execute(limited(kernel.host, QUICK), file, variables, input)
  const { data } = versionsSchema.safeParse(parseJson(answer.stdout))
  const spoken = VERSIONS.filter((version) => data?.supportedVersions.includes(version))
  return { spoken, hangs: isHanging(answer) }
}

/** Whether it is the reference plugin, which prints its name if called without a command. */
async function isTheReference(kernel: Kernel, file: string, spoken: readonly Version[]): Promise<boolean> {
  const { stderr } = await execute(limited(kernel.host), file, {}, '')
  return /^CNI \S+ plugin/.test(stderr) && spoken.at(-1) === REFERENCE.newest
}

function knownDefect(type: string, check: string): KnownDefect | undefined {
  return KNOWN_DEFECTS.find((defect) => defect.check === check && defect.types.includes(type))
}

function words({ what, issue }: KnownDefect): string {
  return `known defect of ${REFERENCE.maker} ${REFERENCE.version}: ${what}${issue === undefined ? '' : ` (${issue})`}`
}

/** The kinds of links that plugins need, which may be kernel modules. */
const LINKS: Readonly<Record<string, string>> = {
  bridge: 'type bridge',
  ptp: 'type veth',
  macvlan: `link ${UPLINK.ifname} type macvlan`,
  ipvlan: `link ${UPLINK.ifname} type ipvlan`,
  vlan: `link ${UPLINK.ifname} type vlan id 98`,
  dummy: 'type dummy',
}

/** What this kernel lacks for a plugin type, in words; undefined if nothing is known to be missing. */
async function lacking(kernel: Kernel, type: string): Promise<string | undefined> {
  const link = LINKS[type]
  if (link === undefined) return undefined
  const { code } = await kernel.probe(['ip', 'link', 'add', 'name', 'cnfprobe', ...link.split(' ')])
  return code === 0 ? undefined : `this kernel has no ${type === 'ptp' ? 'veth' : type}`
}
