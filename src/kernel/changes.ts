import { spawn } from 'node:child_process'
import { type FSWatcher, watch } from 'node:fs'
import { INTERNET } from '../state/state.ts'
import { environmentOn } from './environment.ts'
import type { Host } from './host.ts'
import { withPath } from './host-root.ts'
import { inside } from './inside.ts'
import { netnsAt, seenInNetns } from './netns-files.ts'

/**
 * Prints changes in its network namespace and, with `all-nsid`, in those linked to it. Ends when its standard input
 * closes, so also if we are killed. Prints a line once both monitors listen, as earlier changes went unseen. Waits for its
 * children: a sandbox's process 1 may not reap orphans.
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
{ until listening || ! kill -0 $ip || [ $((tries -= 1)) -eq 0 ]; do sleep 0.03; done; echo listening; } &
read -r _
kill -KILL $ip $nft
wait`

/** How many namespaces to watch at most: each takes four processes. */
const MAX_NAMESPACES = 32

/** How long nothing must change before we report, and how long we delay a report at most, in ms. */
const QUIET = 30
const LATEST = 150

/** A namespace's file appears before the namespace is mounted on it, which triggers no event: look again after AGAIN ms, TRIES times. */
const AGAIN = 10
const TRIES = 100

/**
 * A neighbour that the kernel resolved, or failed to resolve. That is not a change of the network, and every ping causes
 * some: a caller that pings on every change would trigger itself for ever.
 */
const LEARNED = /^(?!.*Deleted ).* (?:INCOMPLETE|REACHABLE|STALE|DELAY|PROBE|FAILED) *$/

interface Monitor {
  /** The namespace's inode, by which a new namespace of the same name is recognised. 0 for the host's own. */
  inode: number
  stop: () => void
}

/**
 * Calls `changed` soon after links, addresses, routes, neighbours, sysctls or rules change on the host or in one of its
 * namespaces, and after a namespace appears or disappears; once for changes in quick succession. Also calls it when a
 * monitor starts to listen, for what changed until then, and when a monitor is lost, for example because the sandbox ended.
 * With more than 32 namespaces it watches only the host and what is linked to it, without rules in them: the caller has to
 * poll as well. `stop` ends all processes that it started. Never throws.
 */
export function watchKernel(host: Host, changed: () => void): { stop: () => void } {
  const { notice, cancel } = merge(changed)
  const own = startMonitor(host, undefined, 0, notice)
  const monitors = new Map<string, Monitor>()
  let again: NodeJS.Timeout | undefined

  // A monitor would keep its namespace, and the links in it, alive after its name is deleted: end it at once.
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

/** Debounces a call: it happens once `notice` has not been called for a while; after `cancel`, never. */
function merge(call: () => void): { notice: () => void; cancel: () => void } {
  let timer: NodeJS.Timeout | undefined
  let first: number | undefined
  let isOver = false
  const notify = () => {
    first = undefined
    call()
  }
  const notice = () => {
    if (isOver) return
    first ??= performance.now()
    clearTimeout(timer)
    timer = setTimeout(notify, Math.max(0, Math.min(QUIET, first + LATEST - performance.now())))
  }
  const cancel = () => {
    isOver = true
    clearTimeout(timer)
  }
  return { notice, cancel }
}

/** Starts the monitors of one namespace, or of the host itself. A lost monitor is not restarted for the same namespace. */
function startMonitor(host: Host, name: string | undefined, inode: number, notice: () => void): Monitor {
  const shell = ['sh', '-c', MONITORS, 'cnilab-monitors']
  const [file = '', ...rest] = inside(host, name, name === undefined ? [...shell, 'all-nsid'] : shell)
  const child = spawn(file, rest, {
    detached: true, // Ctrl-C is meant for us: it would kill the shell, but not its children
    env: { ...environmentOn(host), LC_ALL: 'C' },
    cwd: '/',
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.on('error', () => undefined) // a tool that is not installed reports nothing
  // If this process may not open more files, there are no pipes, and Node reports that only later.
  if (!('setEncoding' in (child.stdout ?? {}))) return { inode, stop: () => undefined }
  let isStopped = false
  let line = '' // an incomplete line
  child.stdin.on('error', () => undefined) // it has ended; 'close' follows
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

/** Calls when a name appears or disappears under /run/netns, and when the folder itself appears, with the first namespace. */
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
        watcher.on('error', () => undefined) // without a watcher, the caller still polls
        isFolder = folder === '/run/netns'
        return
      } catch {
        // it does not exist, or the user has no inotify instance left
      }
  }
  const reopen = () => {
    watcher?.close()
    open()
  }
  open()
  return { close: () => watcher?.close() }
}

/** The namespaces to watch; none if there are too many. */
function watchedNames(host: Host): string[] {
  const { namespaces, strays } = seenInNetns(host)
  const names = [...namespaces.keys(), ...strays].filter((name) => name !== INTERNET) // what is not a namespace may become one
  return names.length > MAX_NAMESPACES ? [] : names
}
