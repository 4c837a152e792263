/** Where commands act: a sandbox, or the machine itself. */
export interface Host {
  kind: 'sandbox' | 'machine'
  /** The sandbox's name; `machine` for the machine. */
  name: string
  /** Put in front of an argv so that it runs in the host's namespaces; empty when this process is in them already. */
  enter: readonly string[]
  /** Whether this process sees the host's files as its own: on the machine, and in a sandbox's shell. */
  inside: boolean
  /** The pid of a sandbox's first process, as this process sees it; 0 where `inside`. */
  holder: number
  /** The pid, as commands on the host see it, of a process in the host's network namespace. */
  pid: number
  /** Folder of the journal, a path of the host; it is locked while the host is being changed. */
  folder: string
  /** Folder for files that commands on the host read: as this process sees it, and as they do, who cannot write there. */
  batches: { folder: string; seen: string }
  /** The folders of the machine that are to be seen in a sandbox. */
  binds: readonly string[]
  /** Whether other commands may change it at the same time; false for a sandbox that lives for one run only. */
  common: boolean
  /** Whether to do, too, what cuts it off from the network: `--force`. */
  force?: boolean
}

/** The path of a namespace's file, on the host: a namespace that has no name is called by it. */
export function netnsFile(netns: string): string {
  return netns.startsWith('/') ? netns : `/run/netns/${netns}`
}

/** The sandbox that commands act in when none is named. */
export const DEFAULT_SANDBOX = 'default'

/** What to add to a `cnilab` command, typed where this one was, so that it acts on the same host: ` --host`, or nothing. */
export function flagsFor(host: Host): string {
  if (host.kind === 'machine') return ' --host'
  return host.inside || !host.common || host.name === DEFAULT_SANDBOX ? '' : ` --sandbox ${host.name}`
}

/** That folder, on the machine and in every sandbox. */
export const HOST_FOLDER = '/run/cnilab'

/** Batches of commands that run where this process does; unlike TMPDIR it is root's. */
export const OWN_BATCHES = { folder: '/run', seen: '/run' }

/** Where the sandbox finds what it is given from outside, mounted read-only: its record, and batches. */
export const GIVEN_FOLDER = '/opt/cnilab/given'

/** The journal's file name, in the host's folder. */
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
