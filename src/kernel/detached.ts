import { Writable } from 'node:stream'
import { CnilabError } from '../errors.ts'
import { notStarted, start } from './spawn.ts'

/** A process in its own session that may outlive this one. */
export interface DetachedProcess {
  /** Its standard input. As long as it is open, the process knows that we are alive. */
  lifeline: Writable
  /** Further pipes that it reads, as descriptors 3 and up. */
  more: Writable[]
  /** The next line that it prints; undefined at the end of its output. Throws CnilabError `state` after so many seconds. */
  nextLine: (seconds: number) => Promise<string | undefined>
  /** What it has written to stderr so far. */
  complaint: () => string
  /** Resolves when its output is closed: it and its children have ended, or were released. */
  ended: Promise<void>
  /** Resolves when it has ended; its children may still run. */
  exited: Promise<void>
  /** Closes the pipes to it, so that this process can end. */
  release: () => void
  /** Kills it and all of its children that stayed in its process group. */
  kill: () => void
}

/**
 * Starts a program in its own session, in the directory /, with only the standard descriptors and `pipes` more to read
 * from. Throws CnilabError `machine` if it cannot be started.
 */
export async function spawnDetached(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { pipes = 0 }: { pipes?: number } = {},
): Promise<DetachedProcess> {
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
  let output = ''
  let complaint = ''
  let isOver = false
  let look: () => void = () => undefined
  stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  stdout
    .setEncoding('utf8')
    .on('data', (text: string) => {
      output += text
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
  // A broken pipe: it has ended before we released it, or it will never receive what it waits for.
  for (const pipe of [stdin, ...more]) pipe.on('error', kill)
  const nextLine = (seconds: number) =>
    new Promise<string | undefined>((resolve, reject) => {
      const late = setTimeout(() => {
        look = () => undefined
        reject(new CnilabError('state', `it printed nothing for ${seconds} s`))
      }, seconds * 1000)
      look = () => {
        const at = output.indexOf('\n')
        if (at < 0 && !isOver) return
        clearTimeout(late)
        look = () => undefined
        resolve(at < 0 ? undefined : output.slice(0, at))
        output = output.slice(at + 1)
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
