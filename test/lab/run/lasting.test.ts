import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { doPlan } from '../../../src/engine/do.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { parseLab } from '../../../src/lab/format/parse.ts'
import { checkLab } from '../../../src/lab/run/check.ts'
import { beginLab, checkRunning, doRunning } from '../../../src/lab/run/lab-in-progress.ts'
import { toLine } from '../../../src/plan/command-line.ts'
import { runCommands } from '../../../src/lab/run/steps.ts'
import { HOST } from '../../../src/state/state.ts'
import { cli, runtime, withSandbox } from '../../helpers.ts'

const lab = (...steps: string[]) =>
  `version: 1\nid: t\ntitle: T\ntext: t\nsteps:\n${steps.map((step, i) => `  - { id: s${i + 1}, title: a, text: t, ${step} }\n`).join('')}`

const documentSchema = z.object({
  ok: z.boolean(),
  steps: z.array(z.object({ status: z.string() })),
  checks: z.array(z.object({ id: z.string(), step: z.string(), passed: z.boolean().nullable(), actual: z.string() })),
})

/** What `lab run --auto` makes of a lab: the status of its steps, and what failed. */
async function run(text: string) {
  const file = join(runtime, 'lab.yaml')
  writeFileSync(file, text)
  const { code, stdout } = await cli(['lab', 'run', file, '--auto', '--json'])
  const { ok, steps, checks } = documentSchema.parse(JSON.parse(stdout))
  const failed = checks.filter(({ passed }) => passed === false)
  return {
    code,
    ok,
    status: steps.map(({ status }) => status),
    failed: failed.map(({ id }) => id),
    said: failed[0]?.actual,
  }
}

const MADE = 'operations: [{ bridge: { name: b1 } }]'
const GONE = 'run: [{ argv: [ip, link, delete, b1] }], checks: [{ not: { interface: { name: b1 } } }]'
const OFF = 'checks: [{ sysctl: { key: net.ipv4.ip_forward, value: 0 } }], run: [{ argv: ["true"] }]'
const ON = 'operations: [{ sysctl: { key: net.ipv4.ip_forward, value: 1 } }]'

it.each([
  ['a step that deletes what another made', [MADE, ON, GONE], ['bridge.b1'], 's3'],
  ['a step that forbids what the next needs', [OFF, ON], ['sysctl.host.net.ipv4.ip_forward'], 's2'],
  [
    'a command that undoes a check',
    [
      'run: [{ argv: [ip, link, add, b1, type, bridge] }], checks: [{ interface: { name: b1 } }]',
      'run: [{ argv: [ip, link, delete, b1] }], checks: [{ not: { netns: { name: x } } }]',
    ],
    ['interface.host.b1'],
    's2',
  ],
])('%s is not green', async (_what, steps, failed, at) => {
  const { code, ok, status, failed: red, said } = await run(lab(...steps))
  expect([code, ok, red]).toEqual([1, false, failed])
  expect(status.at(-1)).toBe('failed')
  expect(said).toContain(`and is not after step ${at}`)
})

it('what says until when it holds is judged until then', async () => {
  const made = 'operations: [{ bridge: { name: b1 }, until: s3 }]'
  const off = 'checks: [{ sysctl: { key: net.ipv4.ip_forward, value: 0 }, until: s2 }], run: [{ argv: ["true"] }]'
  expect(await run(lab(made, ON, GONE))).toMatchObject({ code: 0, ok: true, failed: [] })
  expect(await run(lab(off, ON))).toMatchObject({ code: 0, ok: true, failed: [] })
  // Not later than that.
  const early = 'run: [{ argv: [ip, link, delete, b1] }], checks: [{ not: { netns: { name: x } } }]'
  expect(await run(lab(made, early, GONE))).toMatchObject({ code: 1, failed: ['bridge.b1'] })
})

it('who works alone is not asked any more for what a later step has ended', async () => {
  await withSandbox(async (kernel: Kernel) => {
    const { steps, ...rest } = parseLab(
      lab(
        'operations: [{ bridge: { name: b1 }, until: s3 }], checks: [{ interface: { name: b1, kind: bridge }, until: s3 }]',
        ON,
        GONE,
      ),
      'x.yaml',
    )
    const all = { ...rest, steps }
    const status = async (reached = -1) => {
      const { steps: states, findings } = await checkLab(kernel, all, reached)
      return [
        states.map((one) => one.status).join(),
        findings
          .filter(({ passed }) => passed === false)
          .map(({ id }) => id)
          .join(),
      ]
    }
    expect(await status()).toEqual(['next,not yet,done', 'bridge.b1'])
    await doPlan(kernel, steps[0]?.operations ?? [])
    expect(await status()).toEqual(['done,next,not yet', 'sysctl.host.net.ipv4.ip_forward'])
    await kernel.probe(['ip', 'link', 'delete', 'b1'])
    // Too early: the second step is not done, and it is needed until the third.
    expect(await status(0)).toEqual(['next,not yet,done', 'bridge.b1'])
    await doPlan(kernel, steps[0]?.operations ?? [])
    await doPlan(kernel, steps[1]?.operations ?? [])
    expect(await status(1)).toEqual(['done,done,next', 'not.interface.host.b1'])
    await runCommands(kernel, steps[2]?.run ?? [])
    for (const reached of [1, 2]) expect([reached, ...(await status(reached))]).toEqual([reached, 'done,done,done', ''])
  })
})

it('who checks only at the end has done what a later step has ended', async () => {
  await withSandbox(async (kernel: Kernel) => {
    const text = lab(
      'operations: [{ bridge: { name: b1 } }], checks: [{ not: { interface: { name: b2 } }, until: s2 }]',
      'operations: [{ bridge: { name: b2 } }]',
    )
    const done = async (script: string) => {
      await kernel.probe(['sh', '-c', script])
      const { steps } = await checkLab(kernel, parseLab(text, 'x.yaml'))
      return steps.map(({ status }) => status).join()
    }
    expect(await done('ip link add b2 type bridge')).toBe('next,done')
    expect(await done('ip link add b1 type bridge')).toBe('done,done')
  })
})

it.each([
  ['is not found', '[nosuch-program]', 'status 127'],
  ['fails', '[sh, -c, "echo oh dear >&2; exit 3"]', 'it ended with status 3: oh dear'],
  ['is refused', '[ip, link, delete, nosuch]', 'Cannot find device'],
])('a command that %s is a failure', async (_what, argv, words) => {
  const bad = `operations: [{ bridge: { name: b1 } }], run: [{ argv: [echo, a] }, { argv: ${argv} }]`
  const { code, status, failed, said } = await run(lab(bad, ON))
  expect([code, status, failed]).toEqual([1, ['failed', 'pending'], ['run.2']])
  expect(said).toContain(words)
})

it('a command may fail where the lab says so, and must then', async () => {
  const one = (argv: string, exit: string) =>
    run(lab(`operations: [{ bridge: { name: b1 } }], run: [{ argv: ${argv}, exit: ${exit} }]`))
  expect(await one('[sh, -c, "exit 3"]', '3')).toMatchObject({ code: 0 })
  expect(await one('[sh, -c, "exit 3"]', 'any')).toMatchObject({ code: 0 })
  expect(await one('["true"]', '3')).toMatchObject({ code: 1, failed: ['run.1'] })
})

it.each([
  ['operations: [{ bridge: { name: b1 }, until: s1 }]', 'until is the id of a later step'],
  ['operations: [{ bridge: { name: b1 }, until: s9 }]', 'need not hold any more: s2'],
  [
    'solution: [{ bridge: { name: b1 }, until: s2 }], checks: [{ interface: { name: b1 } }]',
    'a solution is not judged',
  ],
  ['operations: [{ bridge: { name: b1 } }], before: [{ netns: { name: x }, until: s2 }]', 'only until that step'],
  ['operations: [{ bridge: { name: b1 } }], checks: [{ not: { netns: { name: x }, until: s2 } }]', 'beside not'],
  ['operations: [{ bridge: { name: b1 } }], run: [{ argv: [a], exit: bad }]', 'neither an exit status'],
])('refuses %s', (step, message) => {
  expect(() => parseLab(lab(step, ON), 'x.yaml')).toThrow(message)
})

it('what a step has ended is not brought back when a later one is solved', () =>
  withSandbox(async (kernel) => {
    const made = 'operations: [{ bridge: { name: b1 }, until: s3 }]'
    const all = parseLab(lab(made, ON, GONE, 'operations: [{ bridge: { name: b2 } }]'), 'x.yaml')
    const running = beginLab(kernel, all, 'x', [])
    const commands: string[] = []
    for (const step of all.steps) {
      const result = await doRunning(running, step, [], await checkRunning(running))
      commands.push(...result.commands.map((command) => toLine(command, '1')))
    }
    expect(commands).toEqual([
      'ip link add name b1 type bridge',
      'sysctl -w net.ipv4.ip_forward=1',
      'ip link add name b2 type bridge',
    ])
    const { steps, now } = await checkRunning(running)
    expect(steps.map(({ status }) => status).join()).toBe('done,done,done,done')
    const bridges = now.get(HOST)?.links.flatMap(({ name, kind }) => (kind === 'bridge' ? [name] : []))
    expect(bridges).toEqual(['b2'])
  }))
