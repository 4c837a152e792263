import { fileURLToPath } from 'node:url'
import { Config, run, settings } from '@oclif/core'
import pkg from '../package.json' with { type: 'json' }
import { commandFirst } from './ui/terminal/command-first.ts'
import { mindUnwritten } from './unwritten.ts'
import { errorDocument, formatError, show } from './ui/terminal/error.ts'
import { printJson, tell } from './ui/terminal/output.ts'

/** No plugins of oclif: it would run whatever a folder of data names, also one that somebody else filled. */
const OPTIONS = { root: fileURLToPath(import.meta.url), userPlugins: false, devPlugins: false, jitPlugins: false }
process.env['CNILAB_DISABLE_THEME'] = '1' // a file that the environment names
// With NODE_ENV=development, which is meant for other programs, it would look for our sources.
settings.enableAutoTranspile = false

/** Runs the command that the arguments name. Errors before a command is found are shown as all others are. */
export async function main(): Promise<void> {
  mindUnwritten()
  process.on('uncaughtException', (error) => {
    showError(error)
    process.exit()
  })
  // A terminal that does not know its size, such as a serial console, says 0: one letter would go to a line.
  if (process.stdout.columns === 0) process.stdout.columns = 80
  try {
    const words = await given()
    if (words) await run(await asOclifWants(words), OPTIONS)
  } catch (error) {
    showError(error)
  }
}

function showError(error: unknown): void {
  const shown = show(error)
  if (!shown) return
  if (process.argv.includes('--json')) printJson(errorDocument(shown))
  else tell(formatError(shown))
  process.exitCode = shown.exitCode
}

/** Options may come before the command, or between its words; to look for that all commands have to be read. */
async function asOclifWants(words: string[]): Promise<string[]> {
  const [first = '', second = ''] = words
  const isUnsaid = first.startsWith('-') || (first in pkg.oclif.topics && second.startsWith('-'))
  return isUnsaid ? commandFirst(words, (await Config.load(OPTIONS)).commands) : words
}

/** The words that were typed; where there are none, those that are chosen on a terminal: undefined for none. */
async function given(): Promise<string[] | undefined> {
  const typed = process.argv.slice(2)
  if (typed.length > 0 || !process.stdin.isTTY || !process.stdout.isTTY) return typed
  const { menu } = await import('./ui/terminal/menu.ts')
  return menu()
}
