import { eraseLine, printError, relayStderr } from './output.ts'

/** What takes longer than this, in milliseconds, is not waited for in silence. */
const SILENCE = 200

/** What is being waited for while a sandbox is opened. */
export const OPENING = 'opening the sandbox'

/** Shows something in between, after which the waiting begins anew. */
type Aside = (show: () => void) => void

/**
 * Awaits something. If that takes long, a line on the terminal says what is being waited for, until it is over. `plain`: the
 * line stays, as a screen reader would not notice its end.
 */
export async function whileWaiting<T>(what: string, plain: boolean, work: Promise<T>): Promise<T> {
  return whileShowing(what, plain, () => work)
}

/** The same for work that shows what it has done so far: by its argument, so that the line is not in the way. */
export async function whileShowing<T>(what: string, plain: boolean, work: (aside: Aside) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work((show) => show())
  let isShown = false
  const showLate = () =>
    setTimeout(() => {
      isShown = true
      if (plain) printError(`${what} …`)
      else relayStderr(`${what} …`)
    }, SILENCE)
  let late = showLate()
  const end = () => {
    clearTimeout(late)
    if (isShown && !plain) eraseLine()
    isShown = false
  }
  try {
    return await work((show) => {
      const wasSaid = isShown && plain // once is enough
      end()
      show()
      if (!wasSaid) late = showLate()
    })
  } finally {
    end()
  }
}
