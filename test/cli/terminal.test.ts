import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { eventually, processesWith, program, runtime } from '../helpers.ts'

/**
 * Runs the program on a terminal, made by script(1). Each key is typed once the text before it has been shown; returns
 * the exit status, or undefined if it had not ended after 20 s.
 */
function onTerminal(
  args: string,
  typed: readonly (readonly [string, string])[] = [],
): Promise<{ code: number | undefined; screen: string }> {
  const child = spawn(
    'script',
    ['-qefc', `stty cols 100 rows 40; "${process.execPath}" "${program}" ${args}`, '/dev/null'],
    {
      env: { ...process.env, XDG_RUNTIME_DIR: runtime, TERM: 'xterm' },
    },
  )
  let screen = ''
  let [next, from] = [0, 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
    for (const [shown, keys] of typed.slice(next)) {
      const at = screen.indexOf(shown, from)
      if (at < 0) return
      from = at + shown.length
      next++
      child.stdin.write(keys)
    }
  })
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ code: undefined, screen })
    }, 20_000)
    child.on('close', (code) => {
      clearTimeout(late)
      resolve({ code: code ?? undefined, screen })
    })
  })
}

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

it('Enter goes on to the next step, and q tears down, with 130', async () => {
  const { code, screen } = await onTerminal('lab run', [
    ['q to stop', '\r'],
    ['2/8', ''],
    ['q to stop', 'q\r'],
  ])
  expect(code).toBe(130)
  expect(screen).toContain('nothing is left')
  expect(await nothingLeft()).toBe(true)
})

it('Ctrl-C at the pause tears down, with 130', async () => {
  const { code } = await onTerminal('lab run', [['q to stop', '\u0003']])
  expect(code).toBe(130)
  expect(await nothingLeft()).toBe(true)
})
