import { createHash } from 'node:crypto'
import { isInstalled } from '../../kernel/environment.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import type { Attachment } from '../protocol/plugin-type.ts'

/** What the chains of the reference's plugins begin with: for masquerading, and for published ports. */
export type ReferenceChain = 'CNI-' | 'CNI-DN-'

/** The longest name that it gives a chain (utils/utils.go of containernetworking/plugins). */
const LONGEST = 28

/**
 * Deletes the chain of iptables that the reference's plugins made for a container, and the rules that lead to it: their DEL
 * would do so, but ours may have taken their place on a node in use. Best effort.
 */
export async function removeReferenceChain(
  kernel: Kernel,
  prefix: ReferenceChain,
  { network, containerId }: Pick<Attachment, 'network' | 'containerId'>,
): Promise<void> {
  const hash = createHash('sha512').update(`${network}${containerId}`).digest('hex')
  const chain = `${prefix}${hash}`.slice(0, LONGEST)
  for (const tool of ['iptables', 'ip6tables']) {
    if (!isInstalled(tool) || !isInstalled(`${tool}-restore`)) continue
    const { stdout } = await kernel.probe([tool, '-w', '-t', 'nat', '-S'])
    const lines = stdout.split('\n')
    if (!lines.includes(`-N ${chain}`)) continue
    const jumps = lines.filter((line) => line.startsWith('-A ') && line.endsWith(` -j ${chain}`))
    const undo = [
      '*nat',
      ...jumps.map((line) => line.replace('-A ', '-D ')),
      `-F ${chain}`,
      `-X ${chain}`,
      'COMMIT',
      '',
    ]
    await kernel.probe([`${tool}-restore`, '-w', '--noflush'], undefined, undo.join('\n'))
  }
}
