import { kernelOf } from '../../src/kernel/kernel.ts'
import { HOST, portsOf } from '../../src/state/state.ts'
import { BaseCommand, type Document, hostFlags } from '../../src/ui/terminal/base-command.ts'
import { table } from '../../src/ui/terminal/table.ts'

interface BridgeDocument extends Document {
  host: string
  bridges: { name: string; up: boolean; addresses: string[]; ports: string[] }[]
}

export default class BridgeList extends BaseCommand {
  static override summary = 'List the bridges, with their addresses and ports'
  static override examples = ['<%= config.bin %> bridge list', '<%= config.bin %> bridge list --json']
  static override baseFlags = hostFlags

  async run(): Promise<BridgeDocument> {
    const { flags } = await this.parse(BridgeList)
    const host = await this.openHost(flags)
    const state = await kernelOf(host).read({ namespaces: new Set() })
    const bridges = (state.get(HOST)?.links ?? [])
      .filter((link) => link.kind === 'bridge')
      .map((link) => ({
        name: link.name,
        up: link.up,
        addresses: link.addresses.filter((a) => a.scope !== 'link').map((a) => `${a.address}/${a.prefix}`),
        ports: portsOf(state, link.name).toSorted(),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const rows = bridges.map((b) => [b.name, b.up ? 'up' : 'down', b.addresses.join(' '), b.ports.join(' ')])
    this.log(
      bridges.length === 0
        ? 'no bridges yet: cnilab bridge create cni0'
        : table(['BRIDGE', 'STATE', 'ADDRESSES', 'PORTS'], rows),
    )
    return { schema: 'cnilab/bridge/v1', host: host.name, bridges }
  }
}
