import { style } from './style.ts'

/** Asks whether commands may be run; where nobody can answer, says no. */
export async function askToInstall(commands: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stdout.isTTY) return false
  process.stderr.write(`This would be run:\n${commands.map((command) => `  ${style.command(command)}`).join('\n')}\n`)
  const { confirmed } = await import('./prompts.ts')
  return confirmed('Install it?', true, { plain: false })
}
