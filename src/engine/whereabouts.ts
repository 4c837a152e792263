import { CnilabError } from '../errors.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { readResource, type Resource } from '../operations/operation.ts'
import { quote } from '../plan/command-line.ts'
import { HOST, INTERNET } from '../state/state.ts'

/** Something that is missing where it was looked for. */
export class MissingError extends CnilabError {
  readonly missing: Resource

  constructor(message: string, fix: string, missing: Resource) {
    super('state', message, { fix })
    this.missing = missing
  }
}

/** The namespaces besides its own that have an interface of this name. */
async function placesOf(kernel: Kernel, missing: Resource): Promise<string[]> {
  const { what, netns, ifname } = readResource(missing)
  if (what !== 'link') return []
  const everywhere = [...(await kernel.read({ namespaces: undefined }))].filter(
    ([name]) => name !== netns && name !== INTERNET,
  )
  return everywhere.flatMap(([name, namespace]) =>
    namespace?.links.some((link) => link.name === ifname) === true ? [name] : [],
  )
}

/** Where else there is an interface that is missing in its place, as a part of a sentence; undefined if it is nowhere, or everywhere. */
export async function elsewhere(
  kernel: Kernel,
  missing: Resource,
): Promise<{ words: string; fix: string } | undefined> {
  const { ifname } = readResource(missing)
  if (ifname === 'lo') return undefined
  const places = await placesOf(kernel, missing)
  const [place] = places
  if (place === undefined) return undefined
  const names = places.map((name) => (name === HOST ? 'on the host' : `in namespace ${name}`))
  return {
    words: `there is one ${names.join(', ')}`,
    fix: place === HOST ? 'leave --netns out for that one' : `add --netns ${quote(place)} for that one`,
  }
}

/** Says of what is missing where else it is, if it is: only then "there is none" is the whole truth. */
export async function withWhereabouts(kernel: Kernel, error: unknown): Promise<unknown> {
  if (!(error instanceof MissingError)) return error
  const other = await elsewhere(kernel, error.missing)
  if (!other) return error
  return new CnilabError('state', `${error.message}; ${other.words}`, { fix: `${other.fix}, or: ${error.fix ?? ''}` })
}
