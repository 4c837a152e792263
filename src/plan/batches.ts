import type { Command, Tool } from '../operations/operation.ts'

/** Commands of one tool in one namespace that one process can carry. */
export interface Batch {
  netns: string | undefined
  tool: Tool
  commands: Command[]
}

/**
 * Groups commands for few processes without changing what they do: neighbours of one namespace and tool go together,
 * and between two commands of the host the namespaces' own commands are gathered, as they cannot see one another; one
 * that names a further namespace (`… netns red`) runs by itself like one of the host.
 * Returns stages; a stage's batches belong to different namespaces, and those of one namespace are in order.
 */
export function toStages(commands: readonly Command[]): Batch[][] {
  const stages: Batch[][] = []
  let inside: Map<string, Batch[]> | undefined
  for (const command of commands) {
    if (command.netns === undefined || command.argv.includes('netns')) {
      inside = undefined
      const [last, another] = stages.at(-1) ?? []
      if (last && !another && last.netns === command.netns && last.tool === command.tool) last.commands.push(command)
      else stages.push([{ netns: command.netns, tool: command.tool, commands: [command] }])
      continue
    }
    if (!inside) {
      inside = new Map()
      stages.push([])
    }
    const own = inside.get(command.netns) ?? []
    inside.set(command.netns, own)
    const last = own.at(-1)
    if (last?.tool === command.tool) {
      last.commands.push(command)
      continue
    }
    const batch = { netns: command.netns, tool: command.tool, commands: [command] }
    own.push(batch)
    stages.at(-1)?.push(batch)
  }
  return stages
}
