import { environmentOn } from './environment.ts'
import { type Host, netnsFile } from './host.ts'
import { inside } from './inside.ts'
import { PATIENCE, spawnOn } from './on-host.ts'
import { type Finished, missing, MOST, noAnswer, notStarted, start, tooMuch } from './spawn.ts'

/**
 * Runs a program on the host and collects what it prints; one at a time. Never throws for an exit status, but CnilabError
 * `state` if it has not ended after so many seconds, or printed too much.
 */
export type Launch = (
  netns: string | undefined,
  argv: readonly string[],
  input?: string,
  seconds?: number,
) => Promise<Finished>

/**
 * Runs each program that it is told on its standard input: two counts, so many arguments and so many lines of input, one
 * a line. Arguments are data, never parsed as shell text. What the program prints is passed on; a line with the token
 * follows on stdout, with the exit status, and on stderr. Input that it leaves unread is thrown away, and never taken
 * for the next program. Where it cannot be told, the end of the shell tells. Ctrl-C is meant for whoever started us, and for
 * ping.
 */
const LOOP = `trap '' INT HUP
lines() { n=$1; while [ $n -gt 0 ]; do IFS= read -r line; printf '%s\\n' "$line"; n=$((n - 1)); done; }
while read -r arguments input; do
  set --
  while [ $arguments -gt 0 ]; do IFS= read -r line; set -- "$@" "$line"; arguments=$((arguments - 1)); done
  if [ $input -gt 0 ]; then lines $input | { "$@"; s=$?; while read -r _; do :; done; exit $s; }; else "$@" </dev/null; fi
  printf '%s %d\\n' "$token" $? && printf '%s\\n' "$token" >&2 || exit
done`

/** What the shell says, which then may have ended, where it has no more processes. */
const CANNOT_START = /^sh: .*[Cc](?:annot|an't) fork.*/m

/** More input than this is better piped into a process of its own: a shell reads it byte by byte. */
const LONG = 10_000

/** One shell for each of two cores: the reads of a snapshot are independent of each other. */
const SHELLS = 2

/**
 * Starts programs on a host from shells that stay there. To enter a sandbox's namespaces anew for each, from a process as
 * large as Node, takes two to three times as long. They are started when first needed and end with this process.
 */
export function launcher(host: Host): Launch {
  const shells: Shell[] = []
  return (netns, argv, input = '', seconds = PATIENCE) => {
    // What holds a line break cannot be told to a shell.
    if (input.length > LONG || [netns ?? '', ...argv].some((word) => word.includes('\n')))
      return spawnOn(host, netns, argv, { input, limit: seconds })
    const open = shells.filter((one) => one.isOpen()).toSorted((a, b) => a.waiting() - b.waiting())
    const [idlest] = open
    const shell = idlest && (open.length === SHELLS || idlest.waiting() === 0) ? idlest : openShell(host)
    shells.splice(0, Infinity, ...new Set([...open, shell]))
    const whole = netns === undefined ? argv : ['nsenter', `--net=${netnsFile(netns)}`, '--', ...argv]
    return shell.run(whole, input, seconds)
  }
}

interface Shell {
  isOpen: () => boolean
  /** How many programs it has been told to run and has not finished. */
  waiting: () => number
  run: (argv: readonly string[], input: string, seconds: number) => Promise<Finished>
}

interface Told {
  argv: readonly string[]
  words: string
  seconds: number
  resolve: (finished: Finished) => void
  reject: (error: Error) => void
}

/** A process, or a pipe to one: this process does not end before it unless it is let go. */
function isHeld(one: object): one is { ref: () => void; unref: () => void } {
  return 'ref' in one && 'unref' in one
}

/** What came of a stream: where the token is in it, -1 before it has come, and the last of it, in which one may begin. */
interface Printed {
  text: string
  end: number
  last: string
}

const unprinted: Printed = { text: '', end: -1, last: '' }

/** Looks for the token only in what is new: searching all of it each time would take ever longer. */
function grown({ text, end, last }: Printed, more: string, token: string): Printed {
  const fresh = last + more
  const at = end < 0 ? fresh.indexOf(token) : -1
  return {
    text: text + more,
    end: at < 0 ? end : text.length - last.length + at,
    last: fresh.slice(-token.length),
  }
}

function openShell(host: Host): Shell {
  const token = `\x1e${process.pid}-${process.hrtime.bigint()}`
  const [file = '', ...rest] = inside(host, undefined, ['sh', '-c', LOOP])
  // From outside of a sandbox it has a session of its own: in there, nobody gets hold of this terminal.
  const child = start(file, rest, {
    env: { ...environmentOn(host), LC_ALL: 'C', token },
    ...(host.inside ? {} : { detached: true, cwd: '/' }),
  })
  const { stdin, stdout, stderr } = child
  const queue: Told[] = [] // the first one is running
  const printed = { stdout: unprinted, stderr: unprinted }
  let isOpen = true
  let late: NodeJS.Timeout | undefined

  // While nothing runs, it does not keep this process from ending.
  const hold = (held: boolean) => {
    for (const one of [child, stdin, stdout, stderr]) if (one && isHeld(one)) one[held ? 'ref' : 'unref']()
  }
  const collect = (stream: keyof typeof printed) => (text: string) => {
    if (!isOpen) return
    printed[stream] = grown(printed[stream], text, token)
    const { stdout: out, stderr: err } = printed
    if (out.text.length + err.text.length > MOST) giveUp(tooMuch(queue[0]?.argv ?? []))
    if (out.end < 0 || err.end < 0 || !out.text.endsWith('\n') || !err.text.endsWith('\n')) return
    const status = Number(out.text.slice(out.end + token.length))
    finish(status, out.text.slice(0, out.end), err.text.slice(0, err.end))
  }
  const tell = () => {
    const [next] = queue
    if (!next) return
    late = setTimeout(() => giveUp(noAnswer(next.argv, next.seconds)), next.seconds * 1000)
    stdin?.write(next.words)
  }
  const finish = (code: number | undefined, out: string, err: string) => {
    clearTimeout(late)
    printed.stdout = printed.stderr = unprinted
    const one = queue.shift()
    if (queue.length > 0) tell()
    else hold(false)
    const lost = code === 127 ? /(?:failed to execute |: )(\S+): (?:not found|No such file)/.exec(err)?.[1] : undefined
    const [refused] = (code !== 0 && CANNOT_START.exec(err)) || []
    if (refused !== undefined) one?.reject(notStarted(one.argv[0] ?? '', new Error(refused)))
    else if (lost === undefined) one?.resolve({ code, signal: undefined, stdout: out, stderr: err })
    else one?.reject(missing(lost))
  }
  // The program may have been stopped, or the shell itself: another one takes over.
  const giveUp = (error: Error) => {
    isOpen = false
    clearTimeout(late)
    for (const one of queue.splice(0)) one.reject(error)
    hold(false)
    try {
      if (child.pid !== undefined) process.kill(host.inside ? child.pid : -child.pid, 'SIGKILL')
    } catch {
      // it has ended by itself
    }
  }
  stdout?.setEncoding('utf8').on('data', collect('stdout'))
  stderr?.setEncoding('utf8').on('data', collect('stderr'))
  stdin?.on('error', () => undefined) // it has ended, and then closes
  child.on('error', (error) => giveUp(notStarted(file, error)))
  child.on('close', () => {
    isOpen = false
    const said = printed.stderr.text.trim() || 'the sandbox has ended'
    while (queue.length > 0) finish(undefined, '', said)
  })
  return {
    isOpen: () => isOpen,
    waiting: () => queue.length,
    run: (argv, input, seconds) => {
      const { promise, resolve, reject } = Promise.withResolvers<Finished>()
      const lines = input === '' ? [] : input.replace(/\n$/, '').split('\n')
      const words = [`${argv.length} ${lines.length}`, ...argv, ...lines, ''].join('\n')
      hold(true)
      if (queue.push({ argv, words, seconds, resolve, reject }) === 1) tell()
      return promise
    },
  }
}
