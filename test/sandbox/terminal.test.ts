import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { eventually, onTerminal, processesWith, program, runtime, shellOnTerminal } from '../helpers.ts'

/** The terminal of the user, as its file: a line of shell before the program starts writes its name here. */
const NOTED = join(runtime, 'terminal')
const cnilab = `tty >${NOTED}; SHELL=/bin/sh exec "${process.execPath}" "${program}"`
const usersTerminal = () => readFileSync(NOTED, 'utf8').trim()

it.each([
  ['exec', 'exec -- sh -c \'echo "on $(tty) of $(stat -c %d "$(tty)"), $(stty size)"\'', []],
  ['shell', 'shell', [['$ ', 'echo "on $(tty) of $(stat -c %d "$(tty)"), $(stty size)"; exit\r']]],
] as const)('%s has a terminal of the sandbox, as large as that of the user', async (_, args, typed) => {
  const { code, screen } = await shellOnTerminal(`${cnilab} ${args}`, typed)
  const [, device] = /^on \/dev\/pts\/\d+ of (\d+), 40 100\r$/m.exec(screen) ?? []
  expect([code, screen]).toEqual([0, expect.stringMatching(/^on \/dev\/pts\/\d+ of \d+, 40 100\r$/m)])
  // Each devpts is a file system of its own.
  expect(Number(device)).not.toBe(statSync('/dev/pts').dev)
})

it.each([
  ['exit 0', 0],
  ['exit 3', 3],
  ['kill -INT $$', 130],
  ['kill -TERM $$', 143],
])('%s: exec and shell exit with %i', async (script, code) => {
  expect((await onTerminal(`exec -- sh -c '${script}'`)).code).toBe(code)
  // A shell that is used by hand does not mind what another one would die of.
  const words = script.startsWith('exit') ? script : `exec sh -c "${script.replace('$$', String.raw`\$\$`)}"`
  expect((await shellOnTerminal(`${cnilab} shell`, [['$ ', `${words}\r`]])).code).toBe(code)
})

it('Ctrl-C ends a program, and it and what it started are gone', async () => {
  const { code } = await onTerminal("exec -- sh -c 'sleep 4713 & echo ready; wait'", [['ready', '\u0003']])
  expect(code).toBe(130)
  expect(await eventually(() => processesWith('sleep\x004713').length === 0)).toBe(true)
})

it('a terminal that is closed ends the program, too', async () => {
  await onTerminal("exec -- sh -c 'echo ready; sleep 4714'", [['ready', (close) => close()]])
  expect(await eventually(() => processesWith('sleep\x004714').length === 0)).toBe(true)
})

it('a program is told that the window has another size', async () => {
  const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.1; done'
  const resize = () => void execFileSync('stty', ['-F', usersTerminal(), 'cols', '71', 'rows', '23'])
  const { code, screen } = await shellOnTerminal(`${cnilab} exec -- sh -c '${script}'`, [['ready', resize]])
  expect([code, screen.split('\r\n').at(-2)]).toEqual([0, '23 71'])
})

it('what is printed reaches the terminal as it is', async () => {
  const script = String.raw`stty -opost; printf "a\nb\r\nc"`
  expect((await onTerminal(`exec -- sh -c '${script}'`)).screen).toMatch(/a\nb\r\nc$/)
  expect((await onTerminal("exec -- sh -c 'echo a; echo b'")).screen).toMatch(/a\r\nb\r\n$/)
})

it('what is printed into a pipe is not on a terminal, and who is behind it has that of the user as it was', async () => {
  const script = 'tty; echo two; sleep 1; [ ! -t 2 ] || echo terminal'
  const pager = `read line; stty -a </dev/tty | cmp - ${NOTED} && echo "same $line"; cat`
  const { screen } = await shellOnTerminal(
    `stty -a >${NOTED}; "${process.execPath}" "${program}" exec -- sh -c '${script}' | sh -c '${pager}'`,
  )
  expect(screen).toContain('same not a tty\r\ntwo\r\n')
  expect(screen).not.toContain('terminal')
})

it('what is typed reaches a program that prints into a pipe', async () => {
  const { screen } = await shellOnTerminal(
    `"${process.execPath}" "${program}" exec -- sh -c 'echo ready; read line; echo "got $line"' | cat`,
    [['ready', 'a line\r']],
  )
  expect(screen).toContain('got a line\r\n')
})

it('standard error alone may go elsewhere', async () => {
  const { screen } = await onTerminal(`exec -- sh -c 'test -t 0 && test -t 1 && ! test -t 2 && echo well' 2>/dev/null`)
  expect(screen).toContain('well\r\n')
})

it('the terminal of the user is afterwards as it was', async () => {
  const { screen } = await shellOnTerminal(
    `stty -a >${NOTED}; "${process.execPath}" "${program}" exec -- stty raw; stty -a | cmp - ${NOTED} && echo same`,
  )
  expect(screen).toContain('same')
})
