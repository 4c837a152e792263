import { Flags } from '@oclif/core'
import { loadOperations } from '../src/lab/run/load.ts'
import { consistent } from '../src/plan/consistent.ts'
import { OperationCommand, type OperationsDocument } from '../src/ui/terminal/operation-command.ts'
import { word } from '../src/ui/terminal/word.ts'

export default class Apply extends OperationCommand {
  static override summary = "Bring the kernel to a lab's operations, or to those of a list"
  static override description =
    "Keeps what is right already, makes what is missing, and changes or replaces what differs; repeating it changes nothing. With --dry-run, it prints the commands that this would take now. The list is a YAML file of items such as 'bridge: {name: cni0}'; see cnilab lab reference. On the machine itself (--host), it changes only what cnilab made."
  static override examples = [
    '<%= config.bin %> apply eight-steps',
    '<%= config.bin %> apply ./network.yaml',
    '<%= config.bin %> apply ./network.yaml --dry-run',
  ]
  static override args = {
    file: word({ required: true, description: 'name of a lab, or a path to a lab or a list of operations' }),
  }
  static override flags = {
    set: Flags.string({ description: "set a lab's parameter: key=value", multiple: true, multipleNonGreedy: true }),
  }

  async run(): Promise<OperationsDocument> {
    const { args, flags } = await this.parse(Apply)
    return this.bringTo(consistent(await loadOperations(args.file, flags.set ?? [])), flags)
  }
}
