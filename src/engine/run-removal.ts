import type { Kernel } from '../kernel/kernel.ts'
import type { Command } from '../operations/operation.ts'
import { toLine } from '../plan/command-line.ts'

/**
 * Removes what `find` finds, and returns the commands that it ran last. What vanishes between the look and the removal counts
 * as removed, as a cable does that goes with its namespace: after a refusal it looks again for what is left. Throws the
 * refusal if that is the same as before.
 */
export async function runRemoval(kernel: Kernel, find: () => Promise<readonly Command[]>): Promise<readonly Command[]> {
  for (let commands = await find(); ;) {
    try {
      await kernel.run(commands)
      return commands
    } catch (error) {
      const left = await find()
      if (linesOf(left) === linesOf(commands)) throw error
      commands = left
    }
  }
}

function linesOf(commands: readonly Command[]): string {
  return commands.map((command) => toLine(command, '1')).join('\n')
}
