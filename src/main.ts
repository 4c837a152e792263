import { run } from '@oclif/core'
import { errorDocument, formatError, show } from './ui/error.ts'

/** Runs the command that the arguments name. Errors before a command is found are shown as all others are. */
export async function main(): Promise<void> {
  try {
    await run(process.argv.slice(2), import.meta.url)
  } catch (error) {
    const shown = show(error)
    if (!shown) return
    if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(errorDocument(shown), undefined, 2)}\n`)
    else process.stderr.write(formatError(shown))
    process.exitCode = shown.exitCode
  }
}
