import { visible } from '../visible.ts'
import type { Host } from './host.ts'
import { environmentOn } from './environment.ts'
import { inside } from './inside.ts'
import { execRelayed } from './relay.ts'
import { statusOf } from './spawn.ts'

/** Options of `exec`. */
export interface ExecOptions {
  env?: Readonly<Record<string, string>>
  /** Where its standard output goes; `stderr` keeps our own stdout clean. */
  output?: 'stdout' | 'stderr'
}

/**
 * Runs a program on a host interactively, and returns its exit status as a shell would: 128 + n after signal n, 127 if it
 * was not found. From outside a sandbox, none of this process's terminals or files get into it: see relay.ts.
 */
export async function exec(
  host: Host,
  netns: string | undefined,
  argv: readonly string[],
  { env = {}, output = 'stdout' }: ExecOptions = {},
): Promise<number> {
  if (!host.inside) return execRelayed(host, netns, argv, env)
  const [file = '', ...rest] = inside(host, netns, argv)
  const { execa } = await import('execa')
  const ignore = () => undefined // Ctrl-C is for the program; when it ends, so do we
  process.on('SIGINT', ignore)
  const running = execa(file, rest, {
    stdin: 'inherit',
    stdout: output === 'stdout' ? 'inherit' : process.stderr,
    stderr: 'inherit',
    reject: false,
    env: { ...environmentOn(host), ...env },
    extendEnv: false,
  })
  const pass = (signal: NodeJS.Signals) => void running.kill(signal)
  for (const signal of ENDING) process.on(signal, pass)
  try {
    const result = await running
    if ('code' in result && result.code === 'ENOENT') {
      process.stderr.write(`cnilab: ${visible(file)}: not found\n`)
      return 127
    }
    return result.exitCode ?? statusOf(result.signal)
  } finally {
    process.off('SIGINT', ignore)
    for (const signal of ENDING) process.off(signal, pass)
  }
}

/** Signals that end us, and so must end the program, too. */
const ENDING = ['SIGTERM', 'SIGHUP'] as const
