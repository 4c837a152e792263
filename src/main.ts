import { run, settings } from '@oclif/core'
import { errorDocument, formatError, show } from './ui/error.ts'
import { printJson, tell } from './ui/output.ts'

/** Runs the command that the arguments name. Errors before a command is found are shown as all others are. */
export async function main(): Promise<void> {
  process.on('uncaughtException', (error) => {
    showError(error)
    process.exit()
  })
  // A terminal that does not know its size, such as a serial console, says 0: one letter would go to a line.
  if (process.stdout.columns === 0) process.stdout.columns = 80
  try {
    const words = await given()
    if (words) await run(words, ONLY_OURS)
  } catch (error) {
    showError(error)
  }
}

/** oclif would look for plugins, which are code, and a theme in folders that the environment names. */
const ONLY_OURS = { root: import.meta.filename, userPlugins: false, devPlugins: false }
process.env['CNILAB_DISABLE_THEME'] = '1'
// With NODE_ENV=development, which is meant for other programs, it would look for our sources.
settings.enableAutoTranspile = false

function showError(error: unknown): void {
  const shown = show(error)
  if (!shown) return
  if (process.argv.includes('--json')) printJson(errorDocument(shown))
  else tell(formatError(shown))
  process.exitCode = shown.exitCode
}

/** The words that were typed; where there are none, those that are chosen on a terminal: undefined for none. */
async function given(): Promise<string[] | undefined> {
  const typed = process.argv.slice(2)
  if (typed.length > 0 || !process.stdin.isTTY || !process.stdout.isTTY) return typed
  const { menu } = await import('./ui/menu.ts')
  return menu()
}
