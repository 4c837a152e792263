import { CnilabError } from '../../errors.ts'
import type { Host } from '../../kernel/host.ts'
import { containersCalled, type Fit, type Meaning } from './find.ts'

/** The error for a name that may mean several namespaces; `command` is the one to repeat with one of their paths. */
export function severalFit(name: string, fits: readonly Fit[], command: (netns: string) => string): CnilabError {
  const choices = fits.map(({ what, netns }) => `${what}: ${netns}`).join('; ')
  return new CnilabError('usage', `${name} may mean any of these network namespaces: ${choices}`, {
    fix: `name one by its path: ${fits.map(({ netns }) => command(netns)).join(', or ')}`,
  })
}

/** The error for a name that means no namespace that containers could be attached in. */
export function noneFits(name: string, { hosts, without, silent, runtimes }: Meaning): CnilabError {
  const [own] = hosts
  if (own)
    return new CnilabError(
      'state',
      `${own.what} has the network namespace of the host itself, which is no container's`,
      {
        fix: 'start the container with a namespace of its own, for example: docker run --network=none IMAGE',
      },
    )
  const [empty] = without
  if (empty?.without)
    return new CnilabError('state', `${empty.what} ${empty.without.why}, so it has no network namespace`, {
      fix: empty.without.fix,
    })
  const places = ['name in /run/netns', 'process', ...runtimes.map(({ title }) => `container of ${title}`)]
  const found = `there is no network namespace for ${name}: it is no ${places.slice(0, -1).join(', no ')} and no ${places.at(-1) ?? ''}`
  const asked = [...runtimes, ...silent.map(({ place }) => place)]
  const byHand = asked.flatMap((place) => place.byHand?.(name) ?? [])
  return new CnilabError('state', [found, ...silent.map(silence)].join('; '), {
    fix:
      byHand.length === 0
        ? 'lsns -t net lists the network namespaces with a process of each: name one by that number, or by the path of its file'
        : `find the process of the container, and name it instead: ${byHand.join('; or ')}`,
  })
}

/** The error for a name that a sandbox does not know, but a container runtime of this machine does; undefined if none does. */
export async function onlyOnMachine(host: Host, name: string): Promise<CnilabError | undefined> {
  if (host.kind === 'machine') return undefined
  const { fits, hosts, without } = await containersCalled(name)
  const [first] = [...fits, ...hosts, ...without]
  if (!first) return undefined
  return new CnilabError(
    'state',
    `there is no network namespace ${name} in the sandbox '${host.name}'; this machine has ${first.what}`,
    {
      fix: 'to act on this machine itself, use --host',
    },
  )
}

/** Says of a runtime that it did not answer. */
export function silence({ place, why }: Meaning['silent'][number]): string {
  return `${place.title} did not answer: ${why}`
}
