import type { Operation } from '../operations/registry.ts'
import { findLink, type State } from '../state/state.ts'

/** Names that well-known programs use for what they make. */
const makers: readonly (readonly [RegExp, string])[] = [
  [/^(docker0|br-[0-9a-f]{12})$/, 'Docker'],
  [/^virbr\d+/, 'libvirt'],
  [/^(cni|cbr)\d+$/, 'a CNI plugin'],
  [/^lxc(br|dbr)\d+/, 'LXC'],
  [/^podman\d+/, 'podman'],
]

/** Who owns something on the machine, as far as we can tell, as part of a sentence. */
export function describeOwner(operation: Operation, now: State): string {
  if (!('name' in operation.params) || operation.params.name === undefined) return 'cnilab did not make it'
  const { name } = operation.params
  const alias = findLink(now, name)?.alias
  if (alias !== undefined) return `its alias says: ${alias}`
  const maker = makers.find(([pattern]) => pattern.test(name))?.[1]
  return maker === undefined ? 'cnilab did not make it' : `it looks like ${maker}'s`
}
