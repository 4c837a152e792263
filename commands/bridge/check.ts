import { checkContainer } from '../../src/cni/teacher/bridge-container.ts'
import type { Finding } from '../../src/plan/finding.ts'
import type { Document } from '../../src/ui/terminal/base-command.ts'
import { addedFlags, ContainerCommand, containerArgs } from '../../src/ui/cni/container-command.ts'
import { findingLine, showFailure } from '../../src/ui/lab/findings.ts'
import { viewOf } from '../../src/ui/terminal/view.ts'
import { whileWaiting } from '../../src/ui/terminal/waiting.ts'

interface CheckDocument extends Document {
  container: string
  network: string
  ok: boolean
  findings: Finding[]
}

export default class BridgeCheck extends ContainerCommand {
  static override summary = 'Check that a container is on its bridge as bridge add left it'
  static override description =
    'Looks in the kernel for its cable, bridge, addresses, routes, masquerading and forwarding. Exits with 1 if something is missing.'
  static override examples = ['<%= config.bin %> bridge check 2e34dcf34 red']
  static override args = containerArgs
  static override baseFlags = addedFlags

  async run(): Promise<CheckDocument> {
    const typed = await this.parse(BridgeCheck)
    const { kernel, job: given } = await this.open(this.read(typed), typed, 'check')
    const job = await this.readAdded(kernel, given, typed)
    const findings = await whileWaiting('checking the network', typed.flags.plain, checkContainer(kernel, job))
    const view = viewOf(kernel.host, typed.flags.plain, (text) => this.log(text))
    for (const finding of findings)
      if (finding.passed === false) showFailure(finding, view)
      else this.log(findingLine(finding, view.plain))
    const ok = findings.every(({ passed }) => passed === true)
    if (!ok) process.exitCode = 1
    const { containerId: container, network } = job.call
    return { schema: 'cnilab/bridge-check/v1', container, network, ok, findings }
  }
}
