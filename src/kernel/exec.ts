import { constants } from 'node:os'
import { existsSync } from 'node:fs'
import type { Host } from './host.ts'
import { inside } from './launcher.ts'
import { sandboxEnvironment, searchPath } from './spawn.ts'
import { dropsPrivileges } from './user.ts'

/**
 * Runs a program on a host with this process's own terminal, and returns its exit status as a shell would:
 * 128 + n after signal n, 127 when it was not found. `output` stderr keeps our own stdout clean.
 */
export async function exec(
  host: Host,
  netns: string | undefined,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<number> {
  // In a sandbox as it is outside, if it can be seen there; root's sandbox belongs to another user, who may not.
  const here = currentFolder()
  const folder = here !== undefined && !dropsPrivileges() && existsSync(`${host.root}${here}`) ? here : '/tmp'
  const enter = host.enter.map((argument) => (argument === '--' ? [`--wdns=${folder}`, '--'] : [argument])).flat()
  const [file = '', ...rest] = inside({ ...host, enter }, netns, argv)
  const ignore = () => undefined // Ctrl-C is the program's; it ends, and then we do
  const { execa } = await import('execa')
  process.on('SIGINT', ignore)
  try {
    const result = await execa(file, rest, {
      stdin: 'inherit',
      stdout: output === 'stdout' ? 'inherit' : process.stderr,
      stderr: 'inherit',
      reject: false,
      cwd: here ?? '/',
      env: { ...(host.kind === 'sandbox' ? sandboxEnvironment() : { PATH: searchPath() }), ...env },
    })
    if ('code' in result && result.code === 'ENOENT') {
      process.stderr.write(`cnilab: ${file}: not found\n`)
      return 127
    }
    const number = result.signal === undefined ? 0 : constants.signals[result.signal]
    return result.exitCode ?? 128 + number
  } finally {
    process.off('SIGINT', ignore)
  }
}

/** Undefined where it was deleted meanwhile. */
function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}
