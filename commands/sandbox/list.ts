import { refuseInside } from '../../src/engine/open-host.ts'
import { namesInNetns } from '../../src/kernel/netns-files.ts'
import { enter, listSandboxes } from '../../src/sandbox/find.ts'
import { INTERNET } from '../../src/state/state.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import { table } from '../../src/ui/terminal/table.ts'

interface SandboxDocument extends Document {
  sandboxes: { name: string; created: string; containers: string[] }[]
}

export default class SandboxList extends BaseCommand {
  static override summary = 'List your sandboxes: name, age and containers'
  static override examples = ['<%= config.bin %> sandbox list']

  async run(): Promise<SandboxDocument> {
    await this.parse(SandboxList)
    refuseInside()
    const sandboxes = await Promise.all(
      listSandboxes().map(async (sandbox) => ({
        name: sandbox.name,
        created: sandbox.created,
        containers: [...(await namesInNetns(enter(sandbox))).namespaces.keys()].filter((name) => name !== INTERNET),
      })),
    )
    const rows = sandboxes.map(({ name, created, containers }) => [
      name,
      age(created),
      containers.length === 0 ? 'none' : containers.join(' '),
    ])
    this.log(sandboxes.length === 0 ? 'no sandboxes' : table(['SANDBOX', 'AGE', 'CONTAINERS'], rows))
    return { schema: 'cnilab/sandboxes/v1', sandboxes }
  }
}

function age(created: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(created)) / 1000))
  return seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`
}
