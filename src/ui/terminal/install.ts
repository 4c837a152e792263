import { typed } from './layout.ts'
import { printError } from './output.ts'
import { join } from './text.ts'

/** Asks whether to run commands; if nobody can answer, returns false. */
export async function askToInstall(commands: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false
  printError(join(['This would be run:', ...commands.map((command) => typed(command))], '\n'))
  const { confirmed } = await import('./prompts.ts')
  return confirmed('Install it?', true, { plain: false })
}
