import { CnilabError } from '../../errors.ts'
import { namespaceIdentities } from '../../kernel/host-files.ts'
import { type Host, MACHINE } from '../../kernel/host.ts'
import { wrongContainerId } from '../../rules/names.ts'
import { containerd } from './containerd.ts'
import { cri } from './cri.ts'
import { docker, podman } from './docker.ts'
import { named, path, processes } from './names.ts'
import type { Candidate, Place } from './place.ts'

/** The places of every host, and those that only the machine has. Of two that know the same namespace, the first tells. */
const EVERYWHERE: readonly Place[] = [path, named, processes]
const RUNTIMES: readonly Place[] = [docker, podman, containerd, cri]

/** A candidate with a namespace. */
export interface Fit extends Candidate {
  netns: string
}

/** What a name means on a host. */
export interface Meaning {
  /** The namespaces that it may mean, each once. */
  fits: readonly Fit[]
  /** What it names that has the host's own namespace. */
  hosts: readonly Candidate[]
  /** What it names that has no namespace. */
  without: readonly Candidate[]
  /** The runtimes that were asked, and did not answer, each with the reason. */
  silent: readonly { place: Place; why: string }[]
  /** The runtimes that answered. */
  runtimes: readonly Place[]
}

/** Finds out what network namespace a name means: a path, a name in /run/netns, a process, on the machine a container. Changes nothing. */
export async function meaningOf(host: Host, name: string): Promise<Meaning> {
  return meaningAmong(EVERYWHERE, host.kind === 'machine' ? runtimesFor(name) : [], host, name)
}

/** The containers of this machine's runtimes that have a name. */
export function containersCalled(name: string): Promise<Meaning> {
  return meaningAmong([], runtimesFor(name), MACHINE, name)
}

/** The runtimes of this machine, if a name may be that of a container. */
function runtimesFor(name: string): Place[] {
  return wrongContainerId(name) === undefined ? RUNTIMES.filter((place) => place.isThere()) : []
}

async function meaningAmong(
  places: readonly Place[],
  runtimes: readonly Place[],
  host: Host,
  name: string,
): Promise<Meaning> {
  const silent: { place: Place; why: string }[] = []
  const answers = await Promise.all(
    [...places, ...runtimes].map(async (place) => {
      try {
        return await place.find(host, name)
      } catch (error) {
        if (!(error instanceof CnilabError) || error.kind === 'interrupted') throw error
        silent.push({ place, why: error.message })
        return []
      }
    }),
  )
  const all = answers.flat()
  const files = all.flatMap(({ netns }) => netns ?? [])
  const identities =
    files.length === 0 ? new Map<string, string>() : await namespaceIdentities(host, [...files, ...OWN])
  const isSilent = (place: Place) => silent.some((one) => one.place === place)
  return { ...sort(all, identities), silent, runtimes: runtimes.filter((place) => !isSilent(place)) }
}

/** The host's own namespace: that of the programs that we run on it, and that of its first process. */
const OWN = ['/proc/self/ns/net', '/proc/1/ns/net']

/**
 * Sorts what places answered, by the identities of the namespaces at their paths. One without identity is none. The
 * beginning of an id counts only if nothing has the whole name.
 */
export function sort(
  all: readonly Candidate[],
  identities: ReadonlyMap<string, string>,
): Pick<Meaning, 'fits' | 'hosts' | 'without'> {
  const own = new Set(OWN.flatMap((file) => identities.get(file) ?? []))
  const there = all.filter(({ netns }) => netns === undefined || identities.has(netns))
  const whole = there.filter(({ isWhole }) => isWhole)
  const byIdentity = new Map<string, Fit>()
  const hosts: Candidate[] = []
  const without: Candidate[] = []
  for (const one of whole.length > 0 ? whole : there) {
    const identity = one.netns === undefined ? undefined : identities.get(one.netns)
    if (one.netns === undefined || identity === undefined) without.push(one)
    else if (own.has(identity)) hosts.push(one)
    else if (!byIdentity.has(identity)) byIdentity.set(identity, { ...one, netns: one.netns })
  }
  return { fits: [...byIdentity.values()], hosts, without }
}
