import { Flags } from '@oclif/core'
import { dropsFor } from '../../src/cni/teacher/bridge-container.ts'
import { exampleLease, inNetns, stepsFor } from '../../src/cni/teacher/bridge-job.ts'
import { LET_THROUGH } from '../../src/cni/plugins/forward-drop.ts'
import { MACHINE } from '../../src/kernel/host.ts'
import { drawAdd } from '../../src/ui/cni/bridge-add.ts'
import { ContainerCommand, containerArgs, containerFlags } from '../../src/ui/cni/container-command.ts'
import { type LabPlan, printPlan } from '../../src/ui/lab/lab-plan.ts'
import { writeResult } from '../../src/ui/terminal/output.ts'
import { netnsOf } from '../../src/rules/names.ts'
import { toLine } from '../../src/plan/command-line.ts'
import { changeFlags } from '../../src/ui/terminal/base-command.ts'
import { symbol, withSymbol, style } from '../../src/ui/terminal/style.ts'

export default class BridgeAdd extends ContainerCommand {
  static override summary = 'Attach a container to a bridge: steps 2 to 8 for an existing namespace'
  static override description =
    'Does what a CNI plugin does for a container runtime: a bridge, a cable, an address, a route, a way out. With --json, it prints the CNI result.'
  static override examples = [
    '<%= config.bin %> netns create red && <%= config.bin %> bridge add 2e34dcf34 red',
    '<%= config.bin %> bridge add 2e34dcf34 /var/run/netns/2e34dcf34 --json',
    '<%= config.bin %> bridge add web-1 red --config 10-bridge.conf --explain',
    'docker run -d --name web --network=none nginx && sudo <%= config.bin %> bridge add web --host',
  ]
  static override args = containerArgs
  static override baseFlags = {
    ...containerFlags,
    force: changeFlags.force,
    'dry-run': Flags.boolean({ description: 'print the commands and run nothing', helpGroup: 'GLOBAL' }),
    explain: Flags.boolean({ description: 'say what each step does and why, and run nothing', helpGroup: 'GLOBAL' }),
  }

  async run(): Promise<LabPlan | undefined> {
    const typed = await this.parse(BridgeAdd)
    const { flags } = typed
    const given = this.read(typed)
    if (flags['dry-run'] || flags.explain) {
      const job = flags.host ? inNetns(given, await this.findNetns(MACHINE, typed, 'add')) : given
      this.notice('the address is an example: the IPAM plugin assigns one when this runs')
      return printPlan(stepsFor(job, await exampleLease(job)), { ...flags, script: false }, (line) => this.log(line))
    }
    const { kernel, job } = await this.open(given, typed, 'add')
    const others = job.network.plugins.filter(({ type }) => type !== 'bridge').map(({ type }) => type)
    if (others.length > 0)
      this.notice(`this runs only bridge; cnilab cni add runs the whole list, including ${others.join(', ')}`)
    this.log(style.title(`Container ${job.call.containerId} on the network ${job.network.name}`))
    // Written at once: if the result cannot be written, everything is undone.
    const { report, result, cleared } = await drawAdd(
      kernel,
      job,
      flags.plain,
      this.jsonEnabled() ? writeResult : undefined,
    )
    for (const command of cleared) this.notice(`forceAddress: ${toLine(command, '1')}`)
    if (report.error) throw report.error
    if (!result) {
      process.exitCode = 1
      return undefined
    }
    for (const drop of await dropsFor(kernel, job, result)) this.notice(`${drop}; ${LET_THROUGH}`)
    const addresses = result.ips.map(({ address }) => address).join(', ') || 'no address'
    const where = netnsOf(job.call.netns)
    this.log(withSymbol(symbol.done, `${job.call.ifname} in namespace ${where} has ${addresses}`, flags.plain))
    return undefined
  }

  /** Prints nothing: the result has been printed already. */
  protected override logJson(document: unknown): void {
    if (document !== undefined) super.logJson(document)
  }
}
