import { CnilabError } from '../errors.ts'
import { flagsFor } from '../kernel/host.ts'
import { readJournal } from '../journal/journal.ts'
import type { Kernel } from '../kernel/kernel.ts'
import { readResource, type Resource } from '../operations/operation.ts'
import { bindPlan, type Operation } from '../operations/registry.ts'
import { whereabouts } from '../plan/cables.ts'
import { quote, toLine } from '../plan/command-line.ts'
import { HOST, INTERNET } from '../state/state.ts'

/** The error for something that is missing where it was looked for. */
export class MissingError extends CnilabError {
  readonly missing: Resource

  constructor(message: string, fix: string, missing: Resource) {
    super('state', message, { fix })
    this.missing = missing
  }
}

/** The other namespaces that have an interface of this name. */
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

/** Where else the missing interface exists, as part of a sentence; undefined if nowhere, or if it is lo, which is everywhere. */
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
    fix: place === HOST ? 'leave out --netns for that one' : `add --netns ${quote(place)} for that one`,
  }
}

/**
 * Adds to a MissingError where the thing is, if it is anywhere; otherwise "there is none" would be misleading. An end of a
 * cable, of those that were made here or of `plan`, is found by its other end, whatever it is called.
 */
export async function withWhereabouts(
  kernel: Kernel,
  error: unknown,
  plan: readonly Operation[] = [],
): Promise<unknown> {
  if (!(error instanceof MissingError)) return error
  const known = [...plan, ...readJournal(kernel.host).map(({ operation }) => operation)]
  const there = whereabouts(bindPlan(known), error.missing, await kernel.read({ namespaces: undefined }))
  if (there)
    return new CnilabError('state', `${error.message}; ${there.words}`, {
      fix: `bring it back: cnilab exec${flagsFor(kernel.host)} -- ${there.back.map((command) => toLine(command, '1')).join(' && ')}`,
    })
  const other = await elsewhere(kernel, error.missing)
  if (!other) return error
  return new CnilabError('state', `${error.message}; ${other.words}`, { fix: `${other.fix}, or: ${error.fix ?? ''}` })
}
