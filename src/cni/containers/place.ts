import type { Host } from '../../kernel/host.ts'

/** What a name may mean: a network namespace, or a container that has none. */
export interface Candidate {
  /** In words: `the Docker container web (2e34dcf34b1c)`. */
  what: string
  /** Whether the name is given in full, and is not only the beginning of an id. */
  isWhole: boolean
  /** The path of the namespace's file, on the host; undefined if there is no namespace. */
  netns?: string | undefined
  /** Why there is none, and what to do about it. */
  without?: { why: string; fix: string }
}

/** Where network namespaces and containers are known by a name. */
export interface Place {
  /** In words: `Docker`. */
  title: string
  /** Whether it is on this machine, and can be asked. */
  isThere: () => boolean
  /** All that a name may mean there; empty if it is not known. Throws CnilabError if it does not answer. */
  find: (host: Host, name: string) => Promise<readonly Candidate[]>
  /** For somebody who looks by hand: a command that finds the process of a container. */
  byHand?: (name: string) => string
}

/** How many characters of an id are enough to mean a container: fewer are more likely a mistake. */
const FEWEST = 4

/** How well a name fits to a container: its whole name or id, the beginning of its id, or not at all. */
export function fit(name: string, id: string, names: readonly string[]): 'whole' | 'beginning' | undefined {
  if (name === id || names.includes(name)) return 'whole'
  return name.length >= FEWEST && id.startsWith(name) ? 'beginning' : undefined
}

/** An id, as short as runtimes show it. */
export function shortId(id: string): string {
  return id.slice(0, 12)
}
