import { readdirSync, statfsSync, statSync } from 'node:fs'
import { namespacesAmong, NSFS } from './host-files.ts'
import { type Host, netnsFile } from './host.ts'
import { codeOf } from './code-of.ts'
import { withPath } from './host-root.ts'

/** The file of a namespace: its identity, and when it was created, in milliseconds since the epoch. */
export interface NetnsFile {
  inode: number
  since: number
}

/** A namespace that we cannot inspect from outside its sandbox. */
const UNKNOWN: NetnsFile = { inode: 0, since: 0 }

/**
 * The file of a namespace, given by its name or by a path of the host; undefined if there is none, or something else. It is
 * not opened, as opening a pipe would block.
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

/** The files in /run/netns. */
interface Names {
  /** By name, sorted. */
  namespaces: Map<string, NetnsFile>
  /** The names of files that are not namespaces, such as those that a reboot leaves. */
  strays: string[]
}

/** Those of the names in /run/netns that are folders. */
export function foldersAmong(host: Host, names: readonly string[]): string[] {
  return names.filter((name) => {
    try {
      return withPath(host, netnsFile(name), (path) => statSync(path).isDirectory())
    } catch {
      return false // it is gone
    }
  })
}

/** The files in /run/netns, as far as they can be told from outside: a link to a process's namespace counts as a stray. */
export function seenInNetns(host: Host): Names {
  const found: Names = { namespaces: new Map(), strays: [] }
  for (const name of namesUnder(host, '/run/netns')) {
    const file = netnsAt(host, name)
    if (file) found.namespaces.set(name, file)
    else found.strays.push(name)
  }
  return found
}

/** The files in /run/netns. If something in a sandbox looks odd, a program in there looks at it. */
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
    // A directory that we lack the descriptors or the memory to list must not be taken for empty.
    if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(codeOf(error) ?? '')) throw error
    return [] // the directory is created with the first namespace
  }
}
