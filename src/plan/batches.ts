import type { Command, Tool } from '../operations/operation.ts'

/** Commands of one tool in one namespace that one process can run. */
export interface Batch {
  netns: string | undefined
  tool: Tool
  commands: Command[]
}

/**
 * Groups commands into few processes without changing their effect: consecutive commands of one namespace and tool form a
 * batch, and between two commands of the host, namespaces run in parallel, as they cannot see one another. A command that
 * names another namespace (`… netns red`) counts as one of the host.
 * Returns stages, which run one after another. Within a stage, the batches of one namespace are in order.
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
