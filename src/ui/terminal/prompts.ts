import { confirm, input, rawlist, select } from '@inquirer/prompts'
import { drawn, type Printable, trusted } from './drawn.ts'
import { style } from './style.ts'

/** One option to choose. */
export interface Choice<T> {
  name: Printable
  value: T
}

/** Options of a prompt. `plain`: without symbols, and with a numbered list, which a screen reader reads only once. */
interface Asking {
  plain: boolean
  signal?: AbortSignal
}

/**
 * Asks the user on a terminal to choose; undefined if they leave (with Ctrl-C, Ctrl-D, a closed terminal, or the signal).
 */
export function askChoice<T>(question: string, all: readonly Choice<T>[], asking: Asking): Promise<T | undefined> {
  const message = drawn(question)
  const choices = all.map(({ name, value }) => ({ name: drawn(name), value }))
  return ask(asking, (context) =>
    asking.plain
      ? rawlist({ message: `${message} (type its number, then Enter)`, choices, theme: PLAIN, loop: false }, context)
      : select({ message, choices, pageSize: 12, loop: false }, context),
  )
}

/** Asks the user on a terminal for a yes or a no; leaving counts as no. */
export async function confirmed(message: string, usual: boolean, asking: Asking): Promise<boolean> {
  const answer = await ask(asking, (context) =>
    confirm({ message: drawn(message), default: usual, ...(asking.plain ? { theme: PLAIN } : {}) }, context),
  )
  return answer === true
}

/** Asks the user on a terminal to edit a text; undefined if they leave. */
export function edited(message: string, text: string): Promise<string | undefined> {
  return ask({ plain: false }, (context) =>
    input({ message: drawn(message), default: drawn(text), prefill: 'editable' }, context),
  )
}

/** Runs a prompt. Handles Ctrl-D, which otherwise would leave the prompt open with nobody to answer. */
async function ask<T>(
  { signal }: Asking,
  prompt: (context: { signal: AbortSignal }) => Promise<T>,
): Promise<T | undefined> {
  const leave = new AbortController()
  const onKey = (_text: string | undefined, key: { name?: string; ctrl?: boolean } | undefined) => {
    if (key?.ctrl === true && key.name === 'd') leave.abort()
  }
  process.stdin.on('keypress', onKey)
  try {
    return await prompt({ signal: AbortSignal.any([leave.signal, ...(signal ? [signal] : [])]) })
  } catch (error) {
    if (error instanceof Error && ['ExitPromptError', 'AbortPromptError'].includes(error.name)) return undefined
    throw error
  } finally {
    process.stdin.off('keypress', onKey)
  }
}

const PLAIN = { prefix: '', style: { highlight: (text: string) => drawn(style.title(trusted(text))) } }
