import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { cli, onTerminal, removeSandboxes, runtime } from '../helpers.ts'

afterEach(async () => {
  await removeSandboxes()
  await cli(['lab', 'stop'])
})

const LAB = join(runtime, 'two.yaml')
writeFileSync(
  LAB,
  `version: 1
id: two
title: Two steps
text: About bridges.
steps:
  - id: one
    title: The first
    text: Make a bridge. Call it br1, as nothing else is called.
    operations: [{ bridge: { name: br1 } }]
    questions:
      - { ask: Is br1 up?, choices: [Yes, No], answer: 2, why: Links are born down. }
  - id: two
    title: The second
    text: Bring it up. Then it carries packets.
    operations: [{ up: { ifname: br1 } }]
    questions:
      - { ask: Does br1 forward now?, choices: [Yes, No], answer: 2, why: It is down., at: before }
learned: Bridges are switches.
links: [{ title: bridge(8), url: "https://man7.org/linux/man-pages/man8/bridge.8.html" }]
`,
)
const inside = (script: string) => cli(['exec', '--', 'sh', '-c', script])

it('status shows the whole current task; check shows the next one once, and at the end what the tour shows', async () => {
  await cli(['lab', 'start', LAB])
  const status = await cli(['lab', 'status'])
  expect(status.stdout).toContain('Call it br1, as nothing else is called.')
  expect(status.stdout).not.toContain('Then it carries packets.')
  expect(JSON.parse((await cli(['lab', 'status', '--json'])).stdout)).toMatchObject({ task: { id: 'one' } })
  await inside('ip link add name br1 type bridge')
  const checks = [await cli(['lab', 'check']), await cli(['lab', 'check'])]
  expect(checks.map(({ stdout }) => stdout.includes('Then it carries packets.'))).toEqual([true, false])
  await inside('ip link set dev br1 up')
  const last = await cli(['lab', 'check'])
  for (const text of ['The end of: Two steps', 'Bridges are switches.', '2 of 2 done', 'bridge(8)'])
    expect(last.stdout).toContain(text)
  expect((await cli(['lab', 'check'])).stdout).not.toContain('The end of')
})

it('a lab that ships names the next one at its end', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  const { stdout } = await cli(['lab', 'solve', 'masquerade', '--yes'])
  expect(stdout).toContain('The next lab: cnilab lab start two-namespaces')
})

it('check asks the questions of a step on a terminal, each once, and before its answer can be seen', async () => {
  await cli(['lab', 'start', LAB])
  await inside('ip link add name br1 type bridge')
  const first = await onTerminal('lab check', [
    ['Is br1 up?', '\r'],
    ['Does br1 forward now?', '\u001b[B\r'],
  ])
  expect([first.code, first.screen.includes('Not quite: No.'), first.screen.includes('Right.')]).toEqual([
    1,
    true,
    true,
  ])
  const again = await onTerminal('lab check')
  expect(again.screen).not.toContain('Question')
  await inside('ip link set dev br1 up')
  expect((await onTerminal('lab check')).screen).toMatch(/Questions +1 of 2 right/)
})

it('in an exam nothing gives the solution away unless the learner gives up, which is recorded', async () => {
  const start = await cli(['lab', 'start', 'by-hand'])
  const status = await cli(['lab', 'status'])
  for (const { stdout } of [start, status]) expect(stdout).not.toMatch(/cnilab (step|lab solve)/)
  expect(status.stdout).toContain('cnilab lab check')
  for (const args of [
    ['lab', 'solve'],
    ['lab', 'solve', '--yes'],
    ['step', '1'],
    ['step', '1', '--show'],
  ]) {
    const { code, stdout, stderr } = await cli(args)
    expect([args, code, stdout, stderr.includes('--give-up')]).toEqual([args, 2, '', true])
  }
  const shown = [await cli(['lab', 'show', 'by-hand']), await cli(['lab', 'show', 'by-hand', '--json'])]
  expect(shown.filter(({ stdout }) => /ip netns add|"netns": \{/.test(stdout))).toEqual([])
  expect((await cli(['lab', 'status', '--json'])).stdout).not.toContain('"gaveUp": true')
  expect((await cli(['lab', 'show', 'by-hand', '--give-up'])).stdout).toContain('$ ip netns add red')
  expect((await cli(['step', '1', '--show', '--give-up'])).stdout).toContain('$ ip netns add red')
  expect((await cli(['lab', 'status'])).stdout).toMatch(/containers .*\(given up\)/)
  expect((await cli(['lab', 'solve', '--give-up', '--yes'])).code).toBe(0)
  await cli(['lab', 'reset', '--yes'])
  expect((await cli(['lab', 'status'])).stdout).toMatch(/containers .*given up/)
})

it('what takes long says what it waits for, and leaves no trace of that on the screen', async () => {
  await cli(['lab', 'start', 'eight-steps'])
  await cli(['lab', 'solve', 'masquerade', '--yes'])
  await inside(
    "nft add table inet wall; nft add chain inet wall f '{ type filter hook forward priority 0; policy drop; }'",
  )
  const { screen } = await onTerminal('lab check')
  expect(screen).toContain('checking the network, also with real packets …\u001b[2K\u001b[G')
  expect((await onTerminal('lab check --plain')).screen).toMatch(/real packets …\r\n/)
  expect((await cli(['lab', 'check'])).stderr).toBe('')
})
