import { readdirSync, statfsSync, statSync } from 'node:fs'
import { namespacesAmong, NSFS } from './host-files.ts'
import { type Host, netnsFile } from './host.ts'
import { codeOf } from './code-of.ts'
import { withPath } from './host-root.ts'

/** What a namespace's file tells: its identity, and since when it has that name, in milliseconds since the epoch. */
export interface NetnsFile {
  inode: number
  since: number
}

/** That of one that cannot be looked at from outside of its sandbox. */
const UNKNOWN: NetnsFile = { inode: 0, since: 0 }

/**
 * The file of a namespace, given by its name or by a path of the host; undefined if there is none, or something else in
 * its place. It is not opened: of a pipe, that would never end.
 */
export function netnsAt(host: Host, name: string): NetnsFile | undefined {
  try {
    return withPath(host, netnsFile(name), (path) => {
      if (statfsSync(path).type !== NSFS) return undefined
      const { ino, ctimeMs } = statSync(path)
      return { inode: ino, since: ctimeMs }
    })
  } catch {
    return undefined
  }
}

/** What is under /run/netns. */
interface Names {
  /** By their names, sorted. */
  namespaces: Map<string, NetnsFile>
  /** The names of what is no namespace, such as the files that a restart leaves. */
  strays: string[]
}

/** What is under /run/netns, as far as it is to be seen from here: a link to a process's namespace is a stray. */
export function seenInNetns(host: Host): Names {
  const found: Names = { namespaces: new Map(), strays: [] }
  for (const name of namesUnder(host, '/run/netns')) {
    const file = netnsAt(host, name)
    if (file) found.namespaces.set(name, file)
    else found.strays.push(name)
  }
  return found
}

/** What is under /run/netns. Where something looks odd in a sandbox, it is asked in there. */
export async function namesInNetns(host: Host): Promise<Names> {
  const { namespaces, strays } = seenInNetns(host)
  if (host.inside || strays.length === 0) return { namespaces, strays }
  const linked = await namespacesAmong(host, strays.map(netnsFile))
  const isLinked = (name: string) => linked.has(netnsFile(name))
  for (const name of strays.filter(isLinked)) namespaces.set(name, UNKNOWN)
  return { namespaces, strays: strays.filter((name) => !isLinked(name)) }
}

function namesUnder(host: Host, path: string): string[] {
  try {
    return withPath(host, path, (folder) => readdirSync(folder)).toSorted()
  } catch (error) {
    // What cannot be listed for want of descriptors or memory must not be taken for empty.
    if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(codeOf(error) ?? '')) throw error
    return [] // the folder comes with the first namespace
  }
}
