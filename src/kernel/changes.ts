import { spawn } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { INTERNET } from '../state/state.ts'
import { environmentOn } from './environment.ts'
import type { Host } from './host.ts'
import { withPath } from './host-root.ts'
import { inside } from './inside.ts'
import { netnsAt, seenInNetns } from './netns-files.ts'

/**
 * Prints what changes in the network namespace that it runs in, and, with `all-nsid`, in those linked to it; ends when its
 * standard input does, also if we were killed. It says a line once both monitors listen: what changed before, nobody
 * saw. It waits for what it started: an orphan's end would be a sandbox's process 1's to see, and not each bears it.
 */
const MONITORS = `exec 2>/dev/null
ip monitor "$@" & ip=$!
nft monitor & nft=$!
listening() {
  left=2
  while read -r _ protocol pid groups _; do
    case "$protocol $pid" in
      "0 $ip" | "12 $nft") [ "$groups" = 00000000 ] || left=$((left - 1)) ;;
    esac
  done </proc/net/netlink
  [ $left -eq 0 ]
}
tries=100
{ until listening || ! kill -0 $ip || [ $((tries -= 1)) -eq 0 ]; do sleep 0.01; done; echo listening; } &
read -r _
kill -KILL $ip $nft
wait`

/** More namespaces than this, with four processes each, would burden the machine more than they tell. */
const MOST = 32

/** For how long, in ms, nothing must change before we tell, and how long we put off telling at most. */
const QUIET = 30
const LATEST = 150

/** A namespace's file is made before the namespace is mounted on it, which nothing tells: look again, in ms, so many times. */
const AGAIN = 10
const TRIES = 100

/**
 * A neighbour that the kernel found, or did not find, by itself. That is no change of the network, and each ping makes
 * some: a caller that pings on every change would cause the next change itself, for ever.
 */
const LEARNED = /^(?!.*Deleted ).* (?:INCOMPLETE|REACHABLE|STALE|DELAY|PROBE|FAILED) *$/

interface Monitor {
  /** The namespace's inode: another one of the same name has another. 0 for the host's own. */
  inode: number
  stop: () => void
}

/**
 * Calls `changed` soon after links, addresses, routes, neighbours, sysctls or rules changed in the host's network or in
 * one of its namespaces, and after one of these came or went; once for changes in a row. It is called as well when a
 * monitor begins to listen, for what changed until then, and when one was lost, such as by the sandbox's end.
 * With more than 32 namespaces it watches the host and what is linked to it, but no rules in them: the caller has to
 * read anew by itself from time to time. `stop` ends all processes that this started. Never throws.
 */
export function watchKernel(host: Host, changed: () => void): { stop: () => void } {
  const { notice, cancel } = merge(changed)
  const own = startMonitor(host, undefined, 0, notice)
  const monitors = new Map<string, Monitor>()
  let again: NodeJS.Timeout | undefined

  // A monitor keeps its namespace, and the links in it, alive after its name was deleted: it has to end at once.
  const follow = (tries: number) => {
    clearTimeout(again)
    const names = watchedNames(host)
    const found = new Map(names.map((name) => [name, netnsAt(host, name)?.inode]))
    for (const [name, { inode, stop }] of monitors)
      if (found.get(name) !== inode) {
        monitors.delete(name)
        stop()
      }
    for (const [name, inode] of found)
      if (inode !== undefined && !monitors.has(name)) monitors.set(name, startMonitor(host, name, inode, notice))
    if (tries > 1 && monitors.size < names.length) again = setTimeout(() => follow(tries - 1), AGAIN)
  }
  const names = watchNames(host, () => {
    notice()
    follow(TRIES)
  })
  follow(TRIES)
  return {
    stop: () => {
      cancel()
      clearTimeout(again)
      names.close()
      for (const { stop } of [own, ...monitors.values()]) stop()
    },
  }
}

/** Puts a call off until nothing was noticed for a while; after `cancel` it never comes. */
function merge(call: () => void): { notice: () => void; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  let first: number | undefined
  let isOver = false
  const tell = () => {
    first = undefined
    call()
  }
  const notice = () => {
    if (isOver) return
    first ??= performance.now()
    clearTimeout(timer)
    timer = setTimeout(tell, Math.max(0, Math.min(QUIET, first + LATEST - performance.now())))
  }
  const cancel = () => {
    isOver = true
    clearTimeout(timer)
  }
  return { notice, cancel }
}

/** Starts the monitors of one namespace, or of the host itself. One that is lost stays so until its namespace is another. */
function startMonitor(host: Host, name: string | undefined, inode: number, notice: () => void): Monitor {
  const shell = ['sh', '-c', MONITORS, 'cnilab-monitors']
  const [file = '', ...rest] = inside(host, name, name === undefined ? [...shell, 'all-nsid'] : shell)
  const child = spawn(file, rest, {
    detached: true, // Ctrl-C is meant for us: the shell would die of it, and what it started would not
    env: { ...environmentOn(host), LC_ALL: 'C' },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.on('error', () => undefined) // what is not installed cannot tell
  // Where this process may not open more files, there are no pipes, and Node says so only later.
  if (!('setEncoding' in (child.stdout ?? {}))) return { inode, stop: () => undefined }
  let isStopped = false
  let line = '' // what was printed of it so far
  child.stdin.on('error', () => undefined) // it has ended, and then closes
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (line + text).split('\n')
    line = lines.pop() ?? ''
    if (!isStopped && lines.some((one) => !LEARNED.test(one))) notice()
  })
  child.on('close', () => {
    if (!isStopped) notice()
  })
  const stop = () => {
    isStopped = true
    child.stdin.end()
  }
  return { inode, stop }
}

/** Calls when a name comes or goes under /run/netns, and when the folder itself comes, which the first one brings. */
function watchNames(host: Host, call: () => void): { close: () => void } {
  let watcher: FSWatcher | undefined
  let isFolder = false
  const open = () => {
    for (const folder of ['/run/netns', '/run'])
      try {
        watcher = withPath(host, folder, (path) =>
          watch(path, () => {
            if (!isFolder) reopen()
            if (isFolder) call()
          }),
        )
        watcher.on('error', () => undefined) // what cannot be watched is left to the caller's reading
        isFolder = folder === '/run/netns'
        return
      } catch {
        // it is not there, or the user has no inotify instance left
      }
  }
  const reopen = () => {
    watcher?.close()
    open()
  }
  open()
  return { close: () => watcher?.close() }
}

/** The namespaces to watch: none of them if they are too many. */
function watchedNames(host: Host): string[] {
  const { namespaces, strays } = seenInNetns(host)
  const names = [...namespaces.keys(), ...strays].filter((name) => name !== INTERNET) // what is not a namespace may become one
  return names.length > MOST ? [] : names
}
