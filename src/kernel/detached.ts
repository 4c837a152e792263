import { Writable } from 'node:stream'
import { CnilabError } from '../errors.ts'
import { notStarted, start } from './spawn.ts'

/** A process with a session of its own that may outlive this one. */
export interface Detached {
  /** Its standard input. While it is open, the process knows that we live. */
  lifeline: Writable
  /** Further pipes that it reads, as descriptors 3 and up. */
  more: Writable[]
  /** The next line that it prints; undefined when there is none any more. Throws CnilabError `state` after so many seconds. */
  nextLine: (seconds: number) => Promise<string | undefined>
  /** What it has said on stderr so far. */
  complaint: () => string
  /** Resolves when its output is closed: it and all that it started have ended, or were let go of. */
  ended: Promise<void>
  /** Resolves when it has ended, though what it started may go on. */
  exited: Promise<void>
  /** Lets go of it, so that this process can end; the pipes to it are closed. */
  release: () => void
  /** Ends it with all that it started and that stayed in its session. */
  kill: () => void
}

/**
 * Starts a program in a session of its own, with / as its folder and no descriptors but these, of which so many further
 * ones. Throws CnilabError `machine` if it cannot be started.
 */
export async function spawnDetached(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { pipes = 0 }: { pipes?: number } = {},
): Promise<Detached> {
  const [file = '', ...rest] = argv
  const stdio = Array.from({ length: 3 + pipes }, () => 'pipe' as const)
  const child = start(file, rest, { cwd: '/', detached: true, env, stdio })
  await new Promise<void>((resolve, reject) => {
    child.on('spawn', resolve)
    child.on('error', (error) => reject(notStarted(file, error)))
  })
  child.unref()
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  const { stdin, stdout, stderr } = child
  if (!stdin || !stdout || !stderr) throw new Error(`${file} has no pipes`)
  const more = child.stdio.slice(3).filter((pipe) => pipe instanceof Writable)
  let said = ''
  let complaint = ''
  let isOver = false
  let look: () => void = () => undefined
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  stdout
    .setEncoding('utf8')
    .on('data', (text: string) => {
      said += text
      look()
    })
    .on('close', () => {
      isOver = true
      look()
    })
  const kill = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    } catch {
      // it has ended by itself
    }
  }
  // It has ended before we let go of it; or it will never hear what it waits for.
  for (const pipe of [stdin, ...more]) pipe.on('error', kill)
  const nextLine = (seconds: number) =>
    new Promise<string | undefined>((resolve, reject) => {
      const late = setTimeout(() => {
        look = () => undefined
        reject(new CnilabError('state', `nothing was heard of it for ${seconds} s`))
      }, seconds * 1000)
      look = () => {
        const at = said.indexOf('\n')
        if (at < 0 && !isOver) return
        clearTimeout(late)
        look = () => undefined
        resolve(at < 0 ? undefined : said.slice(0, at))
        said = said.slice(at + 1)
      }
      look()
    })
  return {
    lifeline: stdin,
    more,
    nextLine,
    complaint: () => complaint.trim(),
    ended: new Promise<void>((resolve) => stderr.on('close', resolve)),
    exited,
    release: () => {
      stdin.end()
      for (const pipe of more) pipe.destroy()
      stdout.destroy()
      stderr.destroy()
    },
    kill,
  }
}
