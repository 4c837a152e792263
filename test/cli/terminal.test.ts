import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { eventually, onTerminal, processesWith, runtime } from '../helpers.ts'

const nothingLeft = () => eventually(() => processesWith(`${runtime}/cnilab/run-`).length === 0)

it('a step that the kernel refuses ends the run', async () => {
  const file = join(runtime, 'refused.yaml')
  writeFileSync(
    file,
    'version: 1\nid: r\ntitle: R\ntext: t\nsteps:\n  - id: up\n    title: Refused\n    text: t\n    operations: [{ up: { ifname: nothere } }]\n',
  )
  const { code, screen } = await onTerminal(`lab run ${file} --auto`)
  expect(code).toBe(1)
  expect(screen).toContain('there is no interface nothere')
  expect(await nothingLeft()).toBe(true)
})

it('Ctrl-C in the middle of a step tears down, with 130', async () => {
  const { code, screen } = await onTerminal('lab run scale --set containers=300 --auto', [['6/7', '\u0003']])
  expect(code).toBe(130)
  expect(screen).toContain('nothing is left')
  expect(await nothingLeft()).toBe(true)
})

it('Ctrl-C in exec is for the program alone', async () => {
  const script = `trap 'echo caught; exit 5' INT; echo ready; while :; do sleep 0.1; done`
  const { code, screen } = await onTerminal(`exec -- sh -c "${script}"`, [['ready', '\u0003']])
  expect([code, screen.includes('caught')]).toEqual([5, true])
})
