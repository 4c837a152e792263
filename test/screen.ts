import { spawn } from 'node:child_process'
import xterm from '@xterm/headless'
import { program, runtime } from './helpers.ts'

/** The size of a terminal, in characters. */
export interface Size {
  columns: number
  rows: number
}

/** What to wait for, the keys to type once it is in sight, and the name under which to keep what is in sight then. */
export interface Typed {
  see: string
  keys: string
  keep?: string
}

/** What a person saw on a terminal. */
interface Seen {
  /** The exit status; undefined if it had not ended after 30 s. */
  code: number | undefined
  /** All lines, also those that have scrolled out of sight. */
  lines: string[]
  /** The lines in sight when something was typed, by the name under which they are kept. */
  kept: Map<string, string[]>
  /** Lines that were too long, so that the terminal broke them, wherever that was. */
  broken: string[]
  /** What the program wrote. */
  written: string
}

/** So long must nothing come, in ms, for the screen to be complete. */
const QUIET = 80

/** Runs `cnilab WORDS`, a part of a shell line, on a terminal of a size. `environment` is put in front of it. */
export function onScreen(
  words: string,
  { columns, rows }: Size,
  typed: readonly Typed[] = [],
  environment = '',
): Promise<Seen> {
  const command = `${environment} exec "${process.execPath}" "${program}" ${words}`
  const child = spawn('script', ['-qefc', `stty cols ${columns} rows ${rows}; ${command}`, '/dev/null'], {
    cwd: runtime,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: runtime,
      XDG_RUNTIME_DIR: runtime,
      XDG_STATE_HOME: `${runtime}/state`,
      XDG_CACHE_HOME: `${runtime}/cache`,
      SHELL: '/bin/bash',
      TERM: 'xterm-256color',
    },
  })
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true })
  const kept = new Map<string, string[]>()
  let written = ''
  let [next, from] = [0, 0]
  let quiet: NodeJS.Timeout | undefined
  const type = () => {
    for (const { see, keys, keep } of typed.slice(next)) {
      const at = written.indexOf(see, from)
      if (at < 0) return
      from = at + see.length
      next++
      if (keep !== undefined) kept.set(keep, linesOf(terminal, true))
      child.stdin.write(keys)
      if (keys !== '') return // what comes next is the answer to them
    }
  }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text
    clearTimeout(quiet)
    terminal.write(text, () => {
      clearTimeout(quiet) // of what came just before
      quiet = setTimeout(type, QUIET)
    })
  })
  child.stdin.on('error', () => undefined)
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), 30_000)
    child.on('close', (code) => {
      clearTimeout(late)
      clearTimeout(quiet)
      // An empty text is parsed after all that came before.
      terminal.write('', () => {
        const { length } = terminal.buffer.active
        const broken = Array.from({ length }, (_, i) => i).filter((i) => terminal.buffer.active.getLine(i)?.isWrapped)
        const lines = linesOf(terminal, false)
        resolve({ code: code ?? undefined, lines, kept, broken: broken.map((i) => lines[i - 1] ?? ''), written })
      })
    })
  })
}

/** The lines on a terminal: those in sight, or all of them, without the empty ones at the end. */
function linesOf({ buffer: { active }, rows }: xterm.Terminal, inSight: boolean): string[] {
  const [first, end] = inSight ? [active.baseY, active.baseY + rows] : [0, active.length]
  const lines = Array.from({ length: end - first }, (_, i) => active.getLine(first + i)?.translateToString(true) ?? '')
  return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1)
}
