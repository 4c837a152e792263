import { eraseLine, printError, relayStderr } from './output.ts'

/** What takes longer than this, in milliseconds, is not waited for in silence. */
const SILENCE = 200

/** What is being waited for while a sandbox is opened. */
export const OPENING = 'opening the sandbox'

/**
 * Awaits something. If that takes long, a line on the terminal says what is being waited for, until it is over. `plain`: the
 * line stays, as a screen reader would not notice its end.
 */
export async function whileWaiting<T>(what: string, plain: boolean, work: Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work
  let isShown = false
  const late = setTimeout(() => {
    isShown = true
    if (plain) printError(`${what} …`)
    else relayStderr(`${what} …`)
  }, SILENCE)
  try {
    return await work
  } finally {
    clearTimeout(late)
    if (isShown && !plain) eraseLine()
  }
}
