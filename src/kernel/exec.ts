import { visible } from '../visible.ts'
import type { Host } from './host.ts'
import { environmentOn } from './environment.ts'
import { inside } from './inside.ts'
import { execRelayed } from './relay.ts'
import { statusOf } from './spawn.ts'

/** What a program that runs for the user gets, apart from its arguments. */
export interface ExecOptions {
  env?: Readonly<Record<string, string>>
  /** Where its standard output goes; `stderr` keeps our own stdout clean. */
  output?: 'stdout' | 'stderr'
}

/**
 * Runs a program on a host for the user, with what they type and see, and returns its exit status as a shell would:
 * 128 + n after signal n, 127 when it was not found. From outside of a sandbox, nothing of this process's own terminal or
 * files gets into it: see relay.ts.
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
  const ignore = () => undefined // Ctrl-C is the program's; it ends, and then we do
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

/** Signals that end us, and so have to end the program, too. */
const ENDING = ['SIGTERM', 'SIGHUP'] as const
