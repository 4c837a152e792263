import { describe, expect, it } from 'vitest'
import { assert } from '../../src/lab/run/assert.ts'
import { checkLab } from '../../src/lab/run/check.ts'
import { doPlan } from '../../src/engine/do.ts'
import { labNames, loadLab } from '../../src/lab/run/load.ts'
import { runCommands } from '../../src/lab/run/steps.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { failureHints } from '../../src/lab/format/hints.ts'
import type { LabStep, Question } from '../../src/lab/format/lab.ts'
import { bindAssertion } from '../../src/assertions/registry.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { withSandbox } from '../helpers.ts'

const labs = [
  'eight-steps',
  'two-namespaces',
  'moving',
  'many-on-a-bridge',
  'masquerade',
  'bridge-add',
  'call-plugin',
  'find-it',
  'by-hand',
]

const answered: Shown = [0, /1 received/]
const silence: Shown = [1, /0 received/]
const unreachable: Shown = [2, /Network is unreachable/]
const nothing: Shown = [0, /^$/]
/** The exit status of what a question tries, and what it prints, which is what the right choice says. */
type Shown = readonly [number, RegExp]
const shown: Record<string, Shown> = {
  'eight-steps/netns/0': [0, /lo: .*state DOWN/],
  'eight-steps/bridge/0': [0, /^cni0 +DOWN/],
  'eight-steps/veth/0': [0, /veth-b@veth-c[^]*veth-c@veth-b/],
  'eight-steps/attach-netns/0': [0, /veth-b@if\d/],
  'eight-steps/attach-bridge/0': [0, /state disabled/],
  'eight-steps/ip/0': nothing,
  'eight-steps/up/0': unreachable,
  'eight-steps/up/1': [0, /^203\.0\.113\.1 via 10\.22\.0\.1 dev eth0/],
  'eight-steps/up/2': [0, /^10\.22\.0\.1 dev eth0 lladdr ([\da-f]{2}:){5}/],
  'eight-steps/masquerade/0': silence,
  'eight-steps/masquerade/1': unreachable,
  'two-namespaces/namespaces/0': unreachable,
  'two-namespaces/cable/0': [0, /veth-blue@veth-red +DOWN[^]*veth-red@veth-blue +DOWN/],
  'two-namespaces/plug/0': [0, /veth-red@if\d/],
  'two-namespaces/addresses/0': nothing,
  'two-namespaces/up-red/0': [0, /<NO-CARRIER,.*\bUP>/],
  'two-namespaces/up-blue/0': [0, /^10\.22\.0\.2 dev veth-red/],
  'two-namespaces/ping/0': nothing,
  'two-namespaces/ping/1': [0, /^10\.22\.0\.2 dev veth-red lladdr/],
  'two-namespaces/beyond/0': [0, /^10\.33\.0\.1 via 10\.22\.0\.2 dev veth-red/],
  'moving/move/0': [0, /state DOWN[^]*link\/ether (?![^]*inet )/],
  'moving/move/1': [0, /^(?![^]*10\.(?:22|33))/],
  'moving/again/0': unreachable,
  'moving/again/1': [0, /^10\.33\.0\.1 via 10\.22\.0\.1 dev card/],
  'many-on-a-bridge/bridge/0': [0, /link\/ether (?!00:00:00:00:00:00)/],
  'many-on-a-bridge/containers/0': [0, /eth0@if\d/],
  'many-on-a-bridge/ports/0': [0, /state disabled/],
  'many-on-a-bridge/addresses/0': [0, /^10\.22\.0\.0\/24 dev eth0 proto kernel [^\n]*\n$/],
  'many-on-a-bridge/port-down/0': answered,
  'many-on-a-bridge/port-down/1': silence,
  'many-on-a-bridge/learning/0': [0, /dev veth3 master br0/],
  'many-on-a-bridge/host/0': [0, /via 203\.0\.113\.1 dev eth0/],
  'many-on-a-bridge/host/1': [0, /^10\.22\.0\.1 dev br0/],
  'masquerade/forward/0': answered,
  'masquerade/forward/1': silence,
  'masquerade/forward/2': silence,
  'masquerade/masquerade/0': unreachable,
  'masquerade/masquerade/1': unreachable,
  'masquerade/second/0': [0, /^(?=[^]*saddr 10\.22\.0\.0\/16)[^]*masquerade(?![^]*saddr)/],
  'bridge-add/netns/0': [0, /^lo +DOWN[^\n]*\n$/],
  'bridge-add/bridge/0': [0, /^cni0 /],
  'bridge-add/veth/0': [0, /^eth0@/],
  'bridge-add/attach-netns/0': [0, /^lo [^\n]*\neth0@if\d[^\n]*\n$/],
  'bridge-add/attach-bridge/0': [0, /state disabled/],
  'bridge-add/ip/0': [0, /10\.22\.0\.1\/16/],
  'bridge-add/up/0': unreachable,
  'bridge-add/up/1': [0, /^203\.0\.113\.1 via 10\.22\.0\.1 dev eth0/],
  'bridge-add/masquerade/0': silence,
  'bridge-add/masquerade/1': answered,
  'call-plugin/add/0': [0, /"supportedVersions"/],
  'call-plugin/add/1': [0, /^cnitool-[^\n]*\n?eth0/],
  'call-plugin/add/2': [0, /"code": 101,[^]*already has an interface[^]*exit status 1\n/],
  'call-plugin/del/0': [0, /^exit status 0\n/],
  'call-plugin/del/1': [0, /^cni0 +DOWN/],
  'find-it/link/0': [0, /red-br@.*<NO-CARRIER,.*\bUP>/],
  'find-it/address/0': unreachable,
  'find-it/reply/0': silence,
  'find-it/reply/1': [0, /IcmpInEchos +1 [^]*IcmpOutEchoReps +0 /],
  'find-it/reply/2': [0, /^10\.22\.0\.4 dev br0 lladdr/],
  'find-it/forwarding/0': silence,
  'find-it/rules/0': [0, /saddr 10\.32\.0\.0\/16/],
  'by-hand/containers/0': [0, /^lo +DOWN/],
  'by-hand/switch/0': [0, /(?=[^]*red-br@)[^]*master lan0/],
  'by-hand/addresses/0': unreachable,
  'by-hand/gateway/0': answered,
  'by-hand/internet/0': silence,
  'by-hand/repair/0': unreachable,
}

/** What the questions of a step print when they are tried. */
async function ask(kernel: Kernel, lab: string, step: LabStep, at: Question['at']): Promise<void> {
  for (const [i, question] of step.questions.entries()) {
    if (question.at !== at || !question.try) continue
    const key = `${lab}/${step.id}/${i}`
    const [status = -1, text = /never/] = shown[key] ?? []
    const { code, stdout, stderr } = await kernel.probe(['timeout', '10', ...question.try.argv], question.try.netns)
    const printed = `${stdout}${stderr}`
    expect({ key, code, printed }).toEqual({ key, code: status, printed: expect.stringMatching(text) })
  }
}

/** The names and addresses that a check has in it: whatever is neither a kind nor a key nor a word of the format. */
function stringsIn(value: unknown): string[] {
  if (typeof value === 'string')
    return /^(?:host|internet|default|true|false|\d+|bridge|veth|tcp|udp)$/.test(value) ? [] : [value]
  if (Array.isArray(value)) return value.flatMap(stringsIn)
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsIn) : []
}

const words = (text: string) => text.split(/\s+/).filter((word) => /\w/.test(word)).length

it('the labs are in order, and what their questions show is known', async () => {
  const all = await Promise.all(labs.map((name) => loadLab(name)))
  expect(all.map(({ order }) => order)).toEqual(labs.map((_, i) => i + 1))
  expect(labNames()).toEqual(expect.arrayContaining(labs))
  const asked = all.flatMap((lab) =>
    lab.steps.flatMap(({ id, questions }) => questions.map((_, i) => `${lab.id}/${id}/${i}`)),
  )
  expect(Object.keys(shown)).toEqual(asked)
})

describe.each(labs)('%s', (name) => {
  it('says what it is about', async () => {
    const { title, text, links, learned, steps } = await loadLab(name)
    expect(title).not.toBe('')
    expect(links.length).toBeGreaterThan(0)
    expect(learned ?? '').toMatch(/^- /)
    const lengths = [['', text] as const, ...steps.map((step) => [step.id, step.text] as const)].map(
      ([id, one]) => [id, words(one)] as const,
    )
    expect(lengths.filter(([, count]) => count < 40 || count > 120)).toEqual([])
    const poor = steps.filter(
      ({ more, hints, questions, focus }) =>
        words(more ?? '') > 150 || hints.length === 0 || questions.length === 0 || focus.length === 0,
    )
    expect(poor.map(({ id }) => id)).toEqual([])
    const bad = steps
      .flatMap(({ questions }) => questions)
      .filter(
        ({ choices, answer, why }) =>
          choices[answer] === undefined || new Set(choices).size < choices.length || why === '',
      )
    expect(bad).toEqual([])
  })

  it('names in its texts what its checks demand', async () => {
    const { text, steps } = await loadLab(name)
    const told = [text]
    const untold: string[] = []
    for (const step of steps) {
      told.push(step.title, step.text)
      const commands = step.free ? [] : step.operations.flatMap((operation) => bindOperation(operation).apply)
      told.push(...commands.flatMap(({ argv }) => argv)) // which are shown with the task
      // Whom packets are sent to need not be known to who builds the way.
      const structural = step.checks.filter((check) => !('not' in check) && bindAssertion(check).test.by === 'state')
      const demanded = structural.flatMap(stringsIn)
      untold.push(
        ...demanded.filter((word) => !told.some((one) => one.includes(word))).map((word) => `${step.id}: ${word}`),
      )
    }
    expect(untold).toEqual([])
  })

  it('no step passes untouched, and each one does what it is to do, for good', () =>
    withSandbox(async (kernel) => {
      const lab = await loadLab(name)
      await doPlan(kernel, lab.start)
      for (const [i, step] of lab.steps.entries()) {
        const now = await kernel.read()
        for (const assertion of step.before)
          expect(await assert(kernel, assertion, step.id, now)).toMatchObject({ passed: true })
        await ask(kernel, name, step, 'before')
        const judged = step.free ? [] : step.operations.map(bindOperation)
        expect(judged.filter((one) => one.judge(now).status === 'present').map(({ id }) => id)).toEqual([])
        for (const check of step.checks)
          expect(await assert(kernel, { ...check, wait: 0 }, step.id, now, false)).not.toMatchObject({ passed: true })

        await doPlan(kernel, step.operations)
        await runCommands(kernel, step.run)
        const { findings, steps } = await checkLab(kernel, lab, i)
        const reached = new Set(lab.steps.slice(0, i + 1).map(({ id }) => id))
        const over = new Set(lab.steps.slice(0, i + 1).flatMap(({ until }) => Object.keys(until)))
        const missing = findings.filter(
          ({ id, step: at, passed }) => reached.has(at) && passed !== true && !(passed === null && over.has(id)),
        )
        for (const check of step.checks.filter((one) => over.has(bindAssertion(one).id)))
          expect(await assert(kernel, check, step.id, await kernel.read())).toMatchObject({ passed: true })
        expect(missing.map(({ id, passed, actual }) => ({ id, passed, actual }))).toEqual([])
        expect(steps.filter(({ status }) => status === 'done').length).toBe(i + 1)
        await ask(kernel, name, step, 'after')

        const own = findings.filter((finding) => finding.step === step.id)
        const unseen = step.when.filter(({ actual, text }) => {
          const failed = own.map((one) => ({ ...one, passed: false, actual: actual ?? '' }))
          return !failureHints(step, failed).includes(text)
        })
        expect(unseen).toEqual([])
      }
    }))
})
