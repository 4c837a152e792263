/** Where commands act: a sandbox, or the machine itself. */
export interface Host {
  kind: 'sandbox' | 'machine'
  /** The sandbox's name; `machine` for the machine. */
  name: string
  /** The start of an argv that runs in the host's namespaces; empty if this process is already in them. */
  enter: readonly string[]
  /** Whether this process shares the host's file system: on the machine, and in a sandbox's shell. */
  inside: boolean
  /** The pid of a sandbox's first process, as this process sees it; 0 if `inside`. */
  holder: number
  /** The pid, as commands on the host see it, of a process in the host's network namespace. */
  pid: number
  /** The directory of the journal, a path of the host; it is locked while the host is being changed. */
  folder: string
  /** A directory for files that commands on the host read, but cannot write: as this process sees it, and as they do. */
  batches: { folder: string; seen: string }
  /** The directories of the machine that are visible in a sandbox. */
  binds: readonly string[]
  /** Whether other commands may change it at the same time; false for a sandbox that lives only for one run. */
  common: boolean
  /** Whether to do even what cuts it off from the network: `--force`. */
  force?: boolean
}

/** The path of a namespace's file, on the host. A namespace without a name is identified by its path. */
export function netnsFile(netns: string): string {
  return netns.startsWith('/') ? netns : `/run/netns/${netns}`
}

/** The sandbox in which commands act by default. */
export const DEFAULT_SANDBOX = 'default'

/** What to append to a `cnilab` command so that it acts on the same host, if typed where this one was: ` --host`, ` --sandbox NAME`, or nothing. */
export function flagsFor(host: Host): string {
  if (host.kind === 'machine') return ' --host'
  return host.inside || !host.common || host.name === DEFAULT_SANDBOX ? '' : ` --sandbox ${host.name}`
}

/** `Host.folder`, on the machine and in every sandbox. */
export const HOST_FOLDER = '/run/cnilab'

/** The batches of commands that run where this process does. Unlike TMPDIR, only root can write there. */
export const OWN_BATCHES = { folder: '/run', seen: '/run' }

/** Where the sandbox finds the files that we pass to it, mounted read-only: its record, and batches. */
export const GIVEN_FOLDER = '/opt/cnilab/given'

/** The journal's file name, in the host's directory. */
export const JOURNAL = 'journal.jsonl'

/** Where the sandbox finds cnilab itself, mounted read-only, and the `cnilab` command that starts it. */
export const APP = { package: '/opt/cnilab/app', node: '/opt/cnilab/node', bin: '/opt/cnilab/bin' }

/** The machine itself. */
export const MACHINE: Host = {
  kind: 'machine',
  name: 'machine',
  enter: [],
  inside: true,
  holder: 0,
  pid: process.pid,
  folder: HOST_FOLDER,
  batches: OWN_BATCHES,
  binds: [],
  common: true,
}
