import { rawlist, select } from '@inquirer/prompts'
import { style } from './style.ts'

/** One thing to choose. */
export interface Choice<T> {
  name: string
  value: T
}

/**
 * Asks somebody on a terminal to choose; undefined if they would rather leave (Ctrl-C, Ctrl-D, a closed terminal, or
 * the signal). `plain`: a numbered list without signs, which a screen reader reads once.
 */
export async function choose<T>(
  message: string,
  choices: readonly Choice<T>[],
  { plain, signal }: { plain: boolean; signal: AbortSignal },
): Promise<T | undefined> {
  const leave = new AbortController()
  const onKey = (_text: string | undefined, key: { name?: string; ctrl?: boolean } | undefined) => {
    if (key?.ctrl === true && key.name === 'd') leave.abort()
  }
  const context = { signal: AbortSignal.any([signal, leave.signal]) }
  process.stdin.on('keypress', onKey)
  try {
    return plain
      ? await rawlist({ message, choices: [...choices], theme: PLAIN, loop: false }, context)
      : await select({ message, choices: [...choices], pageSize: 12, loop: false }, context)
  } catch (error) {
    if (error instanceof Error && ['ExitPromptError', 'AbortPromptError'].includes(error.name)) return undefined
    throw error
  } finally {
    process.stdin.off('keypress', onKey)
  }
}

const PLAIN = { prefix: '', style: { highlight: style.title } }
