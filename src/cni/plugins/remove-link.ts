import { runRemoval } from '../../engine/run-removal.ts'
import { passingName } from '../../operations/made-link.ts'
import { aliasOf, type Command, ip } from '../../operations/operation.ts'
import { isOurs } from '../../operations/same-link.ts'
import { findLink, HOST, INTERNET, type Link } from '../../state/state.ts'
import { containerNetnsIfThere, lockMachine, ownKernel } from '../host.ts'
import type { Attachment, Call, ValidAttachments } from '../protocol/plugin-type.ts'
import { ownerOf, ownersOf } from './identity.ts'
import type { Removal } from './remove.ts'

/**
 * An interface is taken away that is in the container alone, and so goes with its namespace. `kind` is its type in ip-link(8),
 * by which the one of another plugin is recognised; ours bears its owner's alias.
 */
export function ofLinks(kind: string): Removal {
  return { one: (call) => removeOne(kind, call), stale: (network, valid) => removeStale(kind, network, valid) }
}

async function removeOne(kind: string, call: Call): Promise<void> {
  const netns = containerNetnsIfThere(call.netns)
  if (netns === undefined) return
  const kernel = await ownKernel()
  const find = async (): Promise<Command[]> => {
    const now = await kernel.read({ namespaces: new Set([netns]), links: [] })
    // Made by another plugin, or by an ADD that was killed before it had its name or its alias.
    const isMeant = (link: Link) => link.alias === aliasOf({ owner: ownerOf(call) }) || !isOurs(link)
    return [call.ifname, passingName({ name: call.ifname, netns })].flatMap((name) => {
      const link = findLink(now, name, netns)
      return link?.kind === kind && isMeant(link) ? [deletion(netns, name)] : []
    })
  }
  const { release } = await lockMachine()
  try {
    await runRemoval(kernel, find)
  } finally {
    release()
  }
}

/** Only namespaces that have a name can be looked into. */
async function removeStale(
  kind: string,
  { network }: Pick<Attachment, 'network'>,
  valid: ValidAttachments,
): Promise<void> {
  const kernel = await ownKernel()
  const kept = new Set(valid.map((one) => aliasOf({ owner: ownerOf({ network, ...one }) })))
  const isStale = ({ kind: its, alias = '' }: Link) =>
    its === kind && alias.startsWith(aliasOf({ owner: ownersOf(network) })) && !kept.has(alias)
  const find = async (): Promise<Command[]> =>
    [...(await kernel.read({ namespaces: undefined, rules: new Set() }))].flatMap(([netns, namespace]) =>
      netns === HOST || netns === INTERNET
        ? []
        : (namespace?.links ?? []).filter(isStale).map(({ name }) => deletion(netns, name)),
    )
  const { release } = await lockMachine()
  try {
    await runRemoval(kernel, find)
  } finally {
    release()
  }
}

function deletion(netns: string, name: string): Command {
  return ip(netns, 'link', 'delete', 'dev', name)
}
