import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { cli, eventually, processesWith, runtime } from '../helpers.ts'

const finding = z.object({
  id: z.string(),
  step: z.string(),
  passed: z.boolean().nullable(),
  what: z.string(),
  expected: z.string(),
  actual: z.string(),
  why: z.string(),
  fix: z.array(z.array(z.string())),
  dependsOn: z.array(z.string()),
})
const documentSchema = z.object({
  schema: z.literal('cnilab/lab-run/v1'),
  lab: z.string(),
  sandbox: z.string(),
  ok: z.boolean(),
  steps: z.array(
    z.object({
      id: z.string(),
      title: z.string(),
      status: z.string(),
      commands: z.array(z.string()),
      findings: z.array(finding),
      ms: z.number(),
    }),
  ),
  checks: z.array(finding),
  teardown: z.object({ ok: z.boolean(), left: z.array(z.string()) }),
  ms: z.number(),
})

/** Nothing of any sandbox of this file's is left. */
function nothingLeft(): boolean {
  return processesWith(`${runtime}/cnilab/run-`).length === 0 && !existsSync(join(runtime, 'cnilab'))
}

it('does the eight steps, checks them and leaves nothing', async () => {
  const { code, stdout, stderr } = await cli(['lab', 'run', '--json'])
  expect([code, stderr]).toEqual([0, ''])
  const run = documentSchema.parse(JSON.parse(stdout))
  expect(run).toMatchObject({ lab: 'eight-steps', ok: true, teardown: { ok: true, left: [] } })
  expect(run.steps.map(({ id, status }) => `${id} ${status}`)).toEqual(
    ['netns', 'bridge', 'veth', 'attach-netns', 'attach-bridge', 'ip', 'up', 'masquerade'].map((id) => `${id} done`),
  )
  expect(run.steps.flatMap((step) => step.findings).every((one) => one.passed)).toBe(true)
  expect(run.steps.find((step) => step.id === 'up')?.findings.map(({ id }) => id)).toContain('up.red.eth0')
  expect(run.checks.map(({ id, passed, actual }) => [id, passed, id.startsWith('seen') ? actual : ''])).toEqual([
    ['not.ping.red.10.22.0.1', true, ''],
    ['ping.red.10.22.0.1', true, ''],
    ['not.ping.red.203.0.113.1', true, ''],
    ['ping.red.203.0.113.1', true, ''],
    ['seen.red.203.0.113.2', true, 'the internet sees red as 203.0.113.2'],
  ])
  expect(await eventually(nothingLeft)).toBe(true)
})

it('prints each step, its commands and checks, without colour or prompt where there is no terminal', async () => {
  const { code, stdout, stderr } = await cli(['lab', 'run'])
  expect([code, stderr.includes('as with --auto')]).toEqual([0, true])
  for (const text of ['8/8 Enable NAT', 'ip netns add red', 'The internet sees red as 203.0.113.2', 'nothing is left'])
    expect(stdout).toContain(text)
  expect(stdout).not.toContain('\u001b')
})

it('says what a lab is that fails, and still leaves nothing', async () => {
  const file = join(runtime, 'bad.yaml')
  writeFileSync(
    file,
    'version: 1\nid: bad\ntitle: Bad\ntext: t\nsteps:\n  - id: netns\n    title: a\n    text: t\n    operations: [{ netns: { name: red } }]\n    checks: [{ ping: { from: red, to: 10.0.0.1 } }]\n  - id: bridge\n    title: b\n    text: t\n    operations: [{ bridge: { name: b } }]\n',
  )
  const { code, stdout } = await cli(['lab', 'run', file, '--json'])
  expect(code).toBe(1)
  const run = documentSchema.parse(JSON.parse(stdout))
  expect(run.ok).toBe(false)
  expect(run.steps.map(({ status }) => status)).toEqual(['failed', 'pending'])
  expect(run.checks[0]).toMatchObject({ id: 'ping.red.10.0.0.1', passed: false })
  expect(await eventually(nothingLeft)).toBe(true)
})

it('builds, checks and tears down a lab that is too large to be read after each step', async () => {
  const { code, stdout } = await cli(['lab', 'run', 'scale', '--set', 'containers=20', '--json'])
  const run = documentSchema.parse(JSON.parse(stdout))
  expect(run.checks.map(({ passed }) => passed)).toEqual([true, true, true, true])
  const findings = run.steps.flatMap((step) => step.findings)
  expect([code, run.ok, findings.length > 150, findings.every(({ passed }) => passed)]).toEqual([0, true, true, true])
})

it('does not take a ping that could not be tried for one without an answer', async () => {
  const file = join(runtime, 'nowhere.yaml')
  writeFileSync(
    file,
    'version: 1\nid: n\ntitle: N\ntext: t\nsteps:\n  - id: bridge\n    title: b\n    text: t\n    operations: [{ bridge: { name: b } }]\n    checks: [{ not: { ping: { from: nowhere, to: 10.0.0.1 } } }]\n',
  )
  const { code, stdout } = await cli(['lab', 'run', file, '--json'])
  expect([code, documentSchema.parse(JSON.parse(stdout)).checks[0]?.passed]).toEqual([1, false])
})

it('is torn down by Ctrl-C at any moment, with 130', async () => {
  for (const delay of [150, 350, 600, 900, 1300]) {
    const { code, stdout } = await cli(['lab', 'run', 'scale', '--set', 'containers=1000', '--json'], '', (kill) =>
      setTimeout(() => kill('SIGINT'), delay),
    )
    expect([delay, code]).toEqual([delay, 130])
    expect(stdout === '' || stdout.includes('"ok": false')).toBe(true)
    expect([delay, await eventually(nothingLeft)]).toEqual([delay, true])
  }
})

it('leaves nothing when it is killed', async () => {
  const { code } = await cli(['lab', 'run', 'scale', '--set', 'containers=1000', '--json'], '', (kill) =>
    setTimeout(() => kill('SIGKILL'), 900),
  )
  expect(code).toBeNull()
  expect(await eventually(nothingLeft)).toBe(true)
})

it('stays with --keep, once, until it is deleted', async () => {
  expect((await cli(['lab', 'run', '--auto', '--keep', '--sandbox', 'kept'])).code).toBe(0)
  expect((await cli(['sandbox', 'list'])).stdout).toMatch(/kept .* red/)
  expect(
    (await cli(['exec', '--sandbox', 'kept', '--netns', 'red', '--', 'ping', '-c1', '-W2', '203.0.113.1'])).code,
  ).toBe(0)
  const again = await cli(['lab', 'run', '--auto', '--keep', '--sandbox', 'kept'])
  expect([again.code, again.stderr.includes('cnilab lab stop --sandbox kept')]).toEqual([1, true])
  // The lab goes on, with all steps done by the program.
  const status = await cli(['lab', 'status', '--sandbox', 'kept'])
  expect([status.code, status.stdout.match(/solved for you/g)?.length]).toEqual([0, 8])
  expect((await cli(['lab', 'check', '--sandbox', 'kept'])).code).toBe(0)
  expect((await cli(['sandbox', 'delete', 'kept'])).code).toBe(0)
  expect((await cli(['sandbox', 'list', '--json'])).stdout).toContain('"sandboxes": []')
})

it('prints what it would run, and runs nothing', async () => {
  expect((await cli(['lab', 'run', '--dry-run'])).stdout.split('\n')[0]).toBe('ip netns add red')
  expect((await cli(['lab', 'run', '--explain'])).stdout).toContain('iptables -t nat -A POSTROUTING -s 10.22.0.0/16')
  expect(await eventually(nothingLeft)).toBe(true)
})

it('--dry-run, --script and --explain make no sandbox', async () => {
  for (const flag of ['--dry-run', '--script', '--explain']) {
    const { code, stderr } = await cli(['lab', 'run', 'eight-steps', flag])
    expect([flag, code, stderr]).toEqual([flag, 0, ''])
    expect([flag, (await cli(['sandbox', 'list', '--json'])).stdout.includes('"sandboxes": []')]).toEqual([flag, true])
  }
})

it('refuses a subnet that the host reaches already, names the route, and leaves nothing', async () => {
  const { code, stdout } = await cli(['lab', 'run', '--set', 'subnet=203.0.113.0/24', '--json'])
  expect(code).toBe(1)
  const run = documentSchema
    .extend({ error: z.object({ kind: z.string(), message: z.string() }) })
    .parse(JSON.parse(stdout))
  expect([run.ok, run.error.kind, run.teardown]).toEqual([false, 'state', { ok: true, left: [] }])
  expect(run.error.message).toContain('203.0.113.0/24 dev eth0')
  expect(run.steps.some(({ status }) => status === 'done')).toBe(false)
  expect(await eventually(nothingLeft)).toBe(true)
})

it('kept twice at once in one sandbox: neither takes anything from the other', async () => {
  const runs = await Promise.all([1, 2].map(() => cli(['lab', 'run', '--keep', '--auto', '--sandbox', 'both'])))
  expect(runs.some(({ code }) => code === 0)).toBe(true)
  const call = ['exec', '--sandbox', 'both', '--netns', 'red', '--', 'ping', '-c1', '-W2', '203.0.113.1']
  expect((await cli(call)).code).toBe(0)
  await cli(['sandbox', 'delete', 'both'])
})

it('runs several at once, each in a sandbox of its own', async () => {
  const runs = await Promise.all([1, 2, 3].map(() => cli(['lab', 'run', '--json'])))
  const documents = runs.map(({ stdout }) => documentSchema.parse(JSON.parse(stdout)))
  expect(documents.map(({ ok, teardown }) => [ok, teardown.left])).toEqual([1, 2, 3].map(() => [true, []]))
  expect(new Set(documents.map(({ sandbox }) => sandbox)).size).toBe(3)
  expect(await eventually(nothingLeft)).toBe(true)
})
