import { kernelOf } from '../../src/kernel/kernel.ts'
import { HOST, INTERNET } from '../../src/state/state.ts'
import { BaseCommand, type Document, hostFlags } from '../../src/ui/terminal/base-command.ts'
import { table } from '../../src/ui/terminal/table.ts'

interface NetnsDocument extends Document {
  host: string
  containers: { name: string; interfaces: { name: string; up: boolean; addresses: string[] }[] }[]
}

export default class NetnsList extends BaseCommand {
  static override summary = 'List the network namespaces, with their interfaces and addresses'
  static override examples = ['<%= config.bin %> netns list', '<%= config.bin %> netns list --json']
  static override baseFlags = hostFlags

  async run(): Promise<NetnsDocument> {
    const { flags } = await this.parse(NetnsList)
    const host = await this.openHost(flags)
    const state = await kernelOf(host).read({ namespaces: undefined })
    const containers = [...state]
      .filter(([name]) => name !== HOST && name !== INTERNET)
      .map(([name, namespace]) => ({
        name,
        interfaces: (namespace?.links ?? [])
          .map((link) => ({
            name: link.name,
            up: link.up,
            // link-local addresses are made from the random MAC
            addresses: link.addresses.filter((a) => a.scope !== 'link').map((a) => `${a.address}/${a.prefix}`),
          }))
          .toSorted((a, b) => (a.name < b.name ? -1 : 1)),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const rows = containers.flatMap(({ name, interfaces }) =>
      interfaces.map((link, i) => [i === 0 ? name : '', link.name, link.up ? 'up' : 'down', link.addresses.join(' ')]),
    )
    const strays = state.get(HOST)?.strays ?? []
    if (strays.length > 0) this.notice(`these files in /run/netns are not namespaces: ${strays.join(' ')}`)
    this.log(
      containers.length === 0
        ? 'no namespaces yet: cnilab netns create red'
        : table(['NAMESPACE', 'INTERFACE', 'STATE', 'ADDRESSES'], rows),
    )
    return { schema: 'cnilab/netns/v1', host: host.name, containers }
  }
}
