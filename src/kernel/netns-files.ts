import { lstatSync, readdirSync, statfsSync } from 'node:fs'
import { namespacesAmong, NSFS } from './host-files.ts'
import { type Host, netnsFile } from './host.ts'

/** Where `ip netns` keeps the files of namespaces. */
const FOLDER = '/run/netns'

/** What is there by name, sorted. */
interface Names {
  namespaces: string[]
  /** Files that are no namespaces: what a restart left of one, or what somebody else put there. */
  strays: string[]
}

/** The names under /run/netns. None of their files is opened: of a pipe, that would never end. */
export async function namesInNetns(host: Host): Promise<Names> {
  let names: string[]
  try {
    names = readdirSync(`${host.root}${FOLDER}`).toSorted()
  } catch {
    return { namespaces: [], strays: [] } // the folder comes with the first namespace
  }
  const found = await namespacesOf(host, names)
  return { namespaces: names.filter((name) => found.has(name)), strays: names.filter((name) => !found.has(name)) }
}

/** Those of some namespaces, given by name or path, whose file is there and is one. */
export async function namespacesOf(host: Host, names: readonly string[]): Promise<Set<string>> {
  const isHere = (name: string) =>
    host.root === '' || (!name.startsWith('/') && !isLink(`${host.root}${FOLDER}/${name}`))
  const here = names.filter((name) => isHere(name) && isNamespace(`${host.root}${netnsFile(name)}`))
  // Where a link of a sandbox leads is to be seen in there.
  const others = names.filter((name) => !isHere(name))
  const paths = await namespacesAmong(host, others.map(netnsFile))
  return new Set([...here, ...others.filter((name) => paths.has(netnsFile(name)))])
}

/** Whether a path, as this process sees it, is that of a namespace. */
export function isNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS
  } catch {
    return false
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true
}
