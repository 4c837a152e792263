import { environmentOn } from './environment.ts'
import { type Host, netnsFile } from './host.ts'
import { inside } from './inside.ts'
import { TIME_LIMIT, spawnOn } from './on-host.ts'
import { type Finished, missing, MAX_OUTPUT, noAnswer, notStarted, start, tooMuch } from './spawn.ts'

/**
 * Runs a program on the host and collects its output. Does not throw for any exit status, but throws CnilabError `state` if
 * the program has not ended after so many seconds, or printed too much.
 */
export type Launch = (
  netns: string | undefined,
  argv: readonly string[],
  input?: string,
  seconds?: number,
) => Promise<Finished>

/**
 * Runs programs that it reads from standard input: the number of arguments and the number of input lines, then those, one
 * per line. Arguments are data, never parsed as shell text. After the program's own output, it prints a line with the token,
 * on stdout with the exit status, and on stderr. It discards input that the program leaves unread, so that it is never taken
 * for the next program. If it cannot print the token, the shell ends. Ctrl-C is meant for our parent, and for ping.
 */
const LOOP = `trap '' INT HUP
lines() { n=$1; while [ $n -gt 0 ]; do IFS= read -r line; printf '%s\\n' "$line"; n=$((n - 1)); done; }
while read -r arguments input; do
  set --
  while [ $arguments -gt 0 ]; do IFS= read -r line; set -- "$@" "$line"; arguments=$((arguments - 1)); done
  if [ $input -gt 0 ]; then lines $input | { "$@"; s=$?; while read -r _; do :; done; exit $s; }; else "$@" </dev/null; fi
  printf '%s %d\\n' "$token" $? && printf '%s\\n' "$token" >&2 || exit
done`

/** The shell's message if it cannot fork; it may then have ended. */
const CANNOT_START = /^sh: .*[Cc](?:annot|an't) fork.*/m

/** Pipe input longer than this into a separate process: a shell reads it byte by byte. */
const LONG = 10_000

/** One shell for each of two cores: the reads of a snapshot are independent. */
const SHELLS = 2

/**
 * Starts programs on a host from shells that stay there: entering a sandbox's namespaces for each, from a process as large
 * as Node, takes two to three times as long. The shells start on first use, and end with this process.
 */
export function launcher(host: Host): Launch {
  const shells: Shell[] = []
  return (netns, argv, input = '', seconds = TIME_LIMIT) => {
    // The shell's protocol cannot carry a line break.
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

interface QueuedRun {
  argv: readonly string[]
  words: string
  seconds: number
  resolve: (finished: Finished) => void
  reject: (error: Error) => void
}

/** Whether this is a process or pipe that keeps our process alive unless `unref` is called. */
function isHeld(one: object): one is { ref: () => void; unref: () => void } {
  return 'ref' in one && 'unref' in one
}

/** The output of a stream: the position of the token, -1 before it appears, and the tail, in which one may begin. */
interface Printed {
  text: string
  end: number
  last: string
}

const unprinted: Printed = { text: '', end: -1, last: '' }

/** Appends to the output. Searches only the new part for the token: searching all of it each time would be quadratic. */
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
  // From outside a sandbox it gets its own session, so that nothing in there gets hold of this terminal.
  const child = start(file, rest, {
    env: { ...environmentOn(host), LC_ALL: 'C', token },
    ...(host.inside ? {} : { detached: true, cwd: '/' }),
  })
  const { stdin, stdout, stderr } = child
  const queue: QueuedRun[] = [] // the first one is running
  const printed = { stdout: unprinted, stderr: unprinted }
  let isOpen = true
  let late: NodeJS.Timeout | undefined

  // An idle shell must not keep this process alive.
  const hold = (held: boolean) => {
    for (const one of [child, stdin, stdout, stderr]) if (one && isHeld(one)) one[held ? 'ref' : 'unref']()
  }
  const collect = (stream: keyof typeof printed) => (text: string) => {
    if (!isOpen) return
    printed[stream] = grown(printed[stream], text, token)
    const { stdout: out, stderr: err } = printed
    if (out.text.length + err.text.length > MAX_OUTPUT) giveUp(tooMuch(queue[0]?.argv ?? []))
    if (out.end < 0 || err.end < 0 || !out.text.endsWith('\n') || !err.text.endsWith('\n')) return
    const status = Number(out.text.slice(out.end + token.length))
    finish(status, out.text.slice(0, out.end), err.text.slice(0, err.end))
  }
  const send = () => {
    const [next] = queue
    if (!next) return
    late = setTimeout(() => giveUp(noAnswer(next.argv, next.seconds)), next.seconds * 1000)
    stdin?.write(next.words)
  }
  const finish = (code: number | undefined, out: string, err: string) => {
    clearTimeout(late)
    printed.stdout = printed.stderr = unprinted
    const one = queue.shift()
    if (queue.length > 0) send()
    else hold(false)
    const lost = code === 127 ? /(?:failed to execute |: )(\S+): (?:not found|No such file)/.exec(err)?.[1] : undefined
    const [refused] = (code !== 0 && CANNOT_START.exec(err)) || []
    if (refused !== undefined) one?.reject(notStarted(one.argv[0] ?? '', new Error(refused)))
    else if (lost === undefined) one?.resolve({ code, signal: undefined, stdout: out, stderr: err })
    else one?.reject(missing(lost))
  }
  // The program or the shell itself hangs: drop this shell.
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
  stdin?.on('error', () => undefined) // it has ended; 'close' follows
  child.on('error', (error) => giveUp(notStarted(file, error)))
  child.on('close', () => {
    isOpen = false
    const message = printed.stderr.text.trim() || 'the sandbox has ended'
    while (queue.length > 0) finish(undefined, '', message)
  })
  return {
    isOpen: () => isOpen,
    waiting: () => queue.length,
    run: (argv, input, seconds) => {
      const { promise, resolve, reject } = Promise.withResolvers<Finished>()
      const lines = input === '' ? [] : input.replace(/\n$/, '').split('\n')
      const words = [`${argv.length} ${lines.length}`, ...argv, ...lines, ''].join('\n')
      hold(true)
      if (queue.push({ argv, words, seconds, resolve, reject }) === 1) send()
      return promise
    },
  }
}
