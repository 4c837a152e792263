import { describe, expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { parseLab } from '../../src/lab/format/parse.ts'
import type { Lab } from '../../src/lab/format/lab.ts'
import { helpWith, trueHints } from '../../src/lab/run/help.ts'
import { labNames, loadLab } from '../../src/lab/run/load.ts'
import { beginLab, checkRunning } from '../../src/lab/run/lab-in-progress.ts'
import { resetLab } from '../../src/lab/run/reset.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { doPlan } from '../../src/engine/do.ts'
import { findLink, HOST, type Link, type State } from '../../src/state/state.ts'
import { checkLab, isDone } from '../../src/lab/run/check.ts'
import { withSandbox } from '../helpers.ts'
import { some } from '../long.ts'
import { foreignRules, wrongStates } from '../lab/wrong-states.ts'

const LABS = labNames().filter((name) => name !== 'scale')

/** What a hint may be compared with: the state, and what the lab builds. */
interface Seen {
  now: State
  lab: Lab
  ruleset: string
  forwards: boolean
  /** The words that a hint quotes. */
  quoted: string[]
}

const all = (now: State): Link[] => [...now].flatMap(([name, one]) => (name === 'internet' ? [] : (one?.links ?? [])))
/** The interfaces that it names, and those of the namespaces that it names. */
const named = ({ now, quoted }: Seen) => [
  ...all(now).filter(({ name }) => quoted.includes(name)),
  ...quoted.flatMap((name) => now.get(name)?.links ?? []),
]
const planned = ({ lab }: Seen) => lab.steps.flatMap(({ operations }) => operations.map(bindOperation))
const start = ({ lab }: Seen) => lab.start.map(bindOperation)
const addresses = (seen: Seen) => [...start(seen), ...planned(seen)].flatMap((one) => one.addresses)
const defaults = ({ now }: Seen) =>
  [...now].flatMap(([name, one]) =>
    name === HOST || name === 'internet' ? [] : [one?.routes.filter(({ dst }) => dst === 'default') ?? []],
  )
const gateways = ({ lab }: Seen) =>
  [...lab.start, ...lab.steps.flatMap(({ operations }) => operations)].flatMap((one) =>
    one.kind === 'route' && one.params.via !== undefined ? [one.params.via] : [],
  )
const isPresent = (seen: Seen, id: RegExp) =>
  planned(seen).some((one) => id.test(one.id) && one.judge(seen.now).status === 'present')

/** What hints claim, and whether it is so. */
const CLAIMS: readonly (readonly [RegExp, (seen: Seen) => boolean])[] = [
  [/[Ee]verything that you made is still down|Four interfaces are down/, (seen) => !isPresent(seen, /^up\./)],
  [/`([\w-]+)`[^.`]* is (?:still )?down/, (seen) => named(seen).some(({ up }) => !up)],
  [/(?:interface|port|eth0`?) (?:of a container )?is (?:still )?down/, ({ now }) => all(now).some(({ up }) => !up)],
  [/Both ends are still on the host/, ({ now }) => ['veth-red', 'veth-blue'].every((name) => findLink(now, name))],
  [
    /is still on the host|has not been moved yet/,
    ({ now, quoted }) =>
      (now.get(HOST)?.links ?? []).some(({ name }) => /^(veth-|tmp)/.test(name) || quoted.includes(name)),
  ],
  [/drops? (?:packets)?|be dropped/, ({ ruleset }) => /drop|reject/.test(ruleset)],
  [/is up and yet/, (seen) => named(seen).some(({ up }) => up)],
  [/Two addresses are missing/, (seen) => !isPresent(seen, /^address\./)],
  [
    /An address is missing/,
    (seen) =>
      addresses(seen).some(({ address, ifname, netns }) => {
        const link = findLink(seen.now, ifname, netns)
        return link === undefined || !hasAddress(link, address)
      }),
  ],
  [
    /its prefix is not|[Tt]he prefix (?:is wrong|in)|has the prefix \/32/,
    (seen) =>
      [...addresses(seen)].some(({ address, ifname, netns }) =>
        findLink(seen.now, ifname, netns)?.addresses.some(
          (one) => address.startsWith(`${one.address}/`) && address !== `${one.address}/${one.prefix}`,
        ),
      ),
  ],
  [/it is no bridge|is no bridge/, (seen) => named(seen).some(({ kind }) => kind !== 'bridge')],
  [/has no interface/, (seen) => seen.quoted.every((name) => !findLink(seen.now, name))],
  [/no bridge called/, ({ now, quoted }) => quoted.every((name) => findLink(now, name)?.kind !== 'bridge')],
  [
    /There is no namespace/,
    ({ now, quoted }) => quoted.every((name) => !now.has(name) || now.get(HOST)?.strays?.includes(name) === true),
  ],
  [
    /leads? (?:to another gateway|elsewhere)|none by the gateway/,
    (seen) =>
      [...seen.now.values()].some((one) =>
        (one?.routes ?? []).some(
          ({ via, protocol }) => via !== undefined && protocol !== 'kernel' && !gateways(seen).includes(via),
        ),
      ),
  ],
  [/[Dd]efault route is missing|has no default route/, (seen) => defaults(seen).some((routes) => routes.length === 0)],
  [/no router|Forwarding is off|setting is not 1|packets reach the host and end there/, ({ forwards }) => !forwards],
  [
    /plugged into another bridge|port of another bridge/,
    ({ now }) => (now.get(HOST)?.links ?? []).some(({ master }) => master === 'br9'),
  ],
  [
    /not plugged in|`veth2` is not a port/,
    ({ now }) => (now.get(HOST)?.links ?? []).some(({ kind, master }) => kind === 'veth' && master === undefined),
  ],
  [
    /Nothing has to be configured/,
    ({ now }) =>
      ['red', 'blue', 'c2', 'c3'].every((name) => !now.has(name) || (now.get(name)?.routes ?? []).length > 0),
  ],
  [/three mistakes/, ({ now }) => findLink(now, 'green-br')?.up === false],
]

const hasAddress = ({ addresses: own }: Link, cidr: string) =>
  own.some(({ address, prefix }) => `${address}/${prefix}` === cidr)

async function read(kernel: Kernel, lab: Lab): Promise<Omit<Seen, 'quoted'>> {
  const { stdout: ruleset } = await kernel.probe([
    'sh',
    '-c',
    'nft list ruleset; for n in $(ls /run/netns); do ip netns exec $n nft list ruleset; done',
  ])
  const { stdout } = await kernel.probe(['sysctl', '-n', 'net.ipv4.ip_forward'])
  return { now: await kernel.read(), lab, ruleset, forwards: stdout.trim() === '1' }
}

/** The claims of a text that are not so. */
function untrue(text: string, seen: Omit<Seen, 'quoted'>): string[] {
  const quoted = [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
  return CLAIMS.filter(([claim, holds]) => claim.test(text) && !holds({ ...seen, quoted })).map(
    ([claim]) => `${claim}: ${text}`,
  )
}

describe.each(LABS)('%s', (name) => {
  it('says in hints, whatever state the network is in, what is so', async () => {
    const lab = await loadLab(name)
    const rows = some(
      lab.steps.flatMap((step, i) => [
        { step, name: 'nothing done', shell: 'true' },
        { step, name: 'rules of others', shell: foreignRules([HOST]) },
        ...wrongStates(lab, i).map((row) => ({ step, ...row })),
      ]),
      31,
    )
    const wrong: unknown[] = []
    let said = 0
    await withSandbox(async (kernel) => {
      const running = beginLab(kernel, lab, name, [])
      for (const { step, name: state, shell } of rows) {
        await resetLab(running, step)
        // The mistakes of this step are made while it is done.
        await doPlan(kernel, step.operations).catch(() => undefined)
        await kernel.probe(['sh', '-c', shell])
        const checked = await checkRunning(running, false, step)
        const seen = await read(kernel, lab)
        const { texts, known } = await helpWith(kernel, lab, checked)
        const hints: string[] = []
        for (const one of lab.steps) {
          const own = await trueHints(kernel, one, checked)
          if (isDone(one, checked.steps) && own.length > 0) wrong.push({ step: one.id, state, needless: own })
          if (checked.steps.some((is) => is.step === one && is.status === 'next'))
            hints.push(...own.map(({ text }) => text))
        }
        said += hints.length + texts.length + known.length
        const bad = [...texts, ...known, ...hints].flatMap((text) => untrue(text, seen))
        if (bad.length > 0) wrong.push({ step: step.id, state, bad })
      }
    })
    expect(wrong).toEqual([])
    expect(said).toBeGreaterThanOrEqual(Math.floor(rows.length / 2))
  }, 3_600_000)
})

it('a hint is shown while what it says holds, and no longer', () =>
  withSandbox(async (kernel) => {
    const lab = parseLab(
      `version: 1
id: t
title: T
text: t
steps:
  - id: a
    title: a
    text: t
    operations: [{ bridge: { name: b } }, { up: { ifname: b } }]
    hints:
      - always
      - { text: none, if: { not: { interface: { name: b } } } }
      - { text: down, if: [{ interface: { name: b } }, { interface: { name: b, up: false } }] }
    when:
      - { finding: "up.*", text: really, if: { interface: { name: b, up: false } } }
      - { finding: "up.*", text: never, if: { interface: { name: b, up: true } } }
`,
      'x.yaml',
    )
    const [step] = lab.steps
    if (!step) throw new Error('no step')
    const shown = async () => {
      const checked = await checkLab(kernel, lab)
      const hints = await trueHints(kernel, step, checked)
      return [...hints.map(({ text, number }) => `${number} ${text}`), ...(await helpWith(kernel, lab, checked)).texts]
    }
    expect(await shown()).toEqual(['1 always', '2 none'])
    await doPlan(kernel, step.operations.slice(0, 1))
    expect(await shown()).toEqual(['1 always', '3 down', 'really'])
    await doPlan(kernel, step.operations)
    expect(await shown()).toEqual([])
  }))

it('of a packet that is not answered, it says what is right, what is in the way, and where the packet was last seen', () =>
  withSandbox(async (kernel) => {
    const lab = await loadLab('eight-steps')
    for (const { operations } of lab.steps) await doPlan(kernel, operations)
    const knownAfter = async (shell: string) => {
      await kernel.probe(['sh', '-c', shell])
      return (await helpWith(kernel, lab, await checkLab(kernel, lab, 7, false))).known.join('\n')
    }
    const dropped = await knownAfter(foreignRules([HOST]))
    expect(dropped).toContain('on the host, table inet guard, chain input: policy drop')
    expect(dropped).toMatch(/\d+ checks before this one pass/)
    expect(dropped).not.toContain('where it is called') // it is where the lab moves it
    expect(dropped).toContain(
      'the packet left red by eth0, came in on the host by veth-b and cni0; no answer left from there',
    )
    const far = await knownAfter(
      "nft delete table inet guard; ip netns exec internet nft 'add table ip x; add chain ip x in { type filter hook input priority 0; policy drop; }'",
    )
    expect(far).toContain('left the host by eth0, came in on the internet by eth0; no answer left from there')
    expect(far).not.toContain('dropped')
    const unheard = await knownAfter(
      'ip netns exec internet nft delete table ip x; ip -n red neighbour flush all; sysctl -qw net.ipv4.conf.cni0.arp_ignore=8',
    )
    expect(unheard).toContain(
      'the packet did not leave red: nobody there answered the question who has 10.22.0.1 (ARP)',
    )
  }))
