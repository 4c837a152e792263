import { CnilabError } from '../errors.ts'
import { DEFAULT_SANDBOX, flagsFor, type Host, MACHINE, netnsFile } from '../kernel/host.ts'
import { namesInNetns } from '../kernel/netns-files.ts'
import { userId } from '../kernel/user.ts'
import { quote } from '../plan/command-line.ts'
import { readBinds } from '../sandbox/binds.ts'
import { enter, ownSandbox, requireIntact } from '../sandbox/find.ts'
import { findSandbox, type OpenedSandbox, openSandbox } from '../sandbox/open.ts'

/** Where to act: on the machine itself, or in the sandbox of this name. */
interface Place {
  host: boolean
  sandbox: string
  /** Directories of this machine that are visible in a sandbox that is created. */
  bind?: readonly string[] | undefined
  /** Whether to do even what cuts the host off from the network. */
  force?: boolean | undefined
}

/** The machine itself, for `--host`. Throws CnilabError `machine` unless we are root there. */
export function machine({ force = false }: Pick<Place, 'force'> = {}): Host {
  const own = ownSandbox()
  if (own)
    throw new CnilabError('usage', `--host means the machine, but this is inside the sandbox '${own.name}'`, {
      fix: 'leave the shell first, or leave out --host',
    })
  if (userId() !== 0)
    throw new CnilabError('machine', '--host changes this machine itself and needs root', {
      fix: 'sudo cnilab …, or leave out --host to act in your own sandbox',
    })
  return { ...MACHINE, force }
}

/** Throws CnilabError `usage` inside a sandbox, for commands about all sandboxes, or about the machine. */
export function refuseInside(): void {
  const own = ownSandbox()
  if (own)
    throw new CnilabError('usage', `this is inside the sandbox '${own.name}', and cannot see outside`, {
      fix: 'leave the shell first, with exit',
    })
}

/** Refuses any other sandbox than the one that this process is in: none can be reached from another. */
function refuseAnother(own: Host | undefined, name: string): void {
  if (own && name !== own.name && name !== DEFAULT_SANDBOX)
    throw new CnilabError('usage', `this is inside the sandbox '${own.name}', and cannot reach '${name}'`, {
      fix: 'leave the shell first, with exit, or leave out --sandbox',
    })
}

/** Opens the machine with `--host`, else the sandbox of this name, which it creates if there is none. */
export async function openHost(flags: Place): Promise<OpenedSandbox> {
  const binds = readBinds(flags.bind ?? [])
  if (flags.host) {
    if (binds.length > 0)
      throw new CnilabError('usage', '--bind is for a sandbox, but --host means this machine itself')
    return { host: machine(flags), state: 'found' }
  }
  refuseAnother(ownSandbox(), flags.sandbox)
  const opened = await openSandbox(flags.sandbox, binds)
  return { ...opened, host: { ...opened.host, force: flags.force ?? false } }
}

/** Like `openHost`, for a command that changes nothing: undefined if there is no such sandbox. */
export function findHost(flags: Place): Host | undefined {
  if (flags.host) return machine(flags)
  const own = ownSandbox()
  refuseAnother(own, flags.sandbox)
  const sandbox = own ? undefined : findSandbox(flags.sandbox)
  if (sandbox) requireIntact(sandbox)
  const host = own ?? (sandbox && enter(sandbox))
  return host && { ...host, force: flags.force ?? false }
}

/** Throws CnilabError `state` if a namespace does not exist. */
export async function requireNetns(host: Host, netns: string | undefined): Promise<void> {
  if (netns === undefined) return
  const { namespaces, strays } = await namesInNetns(host)
  if (namespaces.has(netns)) return
  if (strays.includes(netns))
    throw new CnilabError('state', `the file ${netnsFile(netns)} is not a namespace`, {
      fix: `cnilab exec${flagsFor(host)} -- rm -d ${netnsFile(netns)}`,
    })
  throw new CnilabError('state', `there is no namespace ${netns}`, {
    fix: `cnilab netns create ${quote(netns)}${flagsFor(host)}`,
  })
}
