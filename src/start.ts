// Starts the program. Whatever older versions of Node may not understand is loaded after the check. Errors are written
// directly, to load nothing more, and quote no input.
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { CodeCache } from './code-cache.ts'
import { completeEnvironment } from './environment.ts'
import pkg from '../package.json' with { type: 'json' }
import { makeFolder } from './kernel/make-folder.ts'
import { distrust } from './kernel/trust.ts'
import { ignoreWriteErrors } from './write-errors.ts'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** The reason why cnilab cannot run here, in one line; undefined if it can. */
function obstacle() {
  if (process.platform !== 'linux')
    return `cnilab needs Linux network namespaces, which ${process.platform} does not have: use a Linux VM (${process.platform === 'win32' ? 'WSL2' : 'Lima, UTM'}, or any other)`
  if (major < 22 || (major === 22 && minor < 22))
    return `cnilab needs Node ${pkg.engines.node}; this is ${process.version}`
  return undefined
}

/** The command that the arguments name, as well as it can be guessed without the list of commands. */
function named(words: readonly string[]): string {
  const [first = '', second = ''] = words
  const end = words.indexOf('--')
  if ((end < 0 ? words : words.slice(0, end)).includes('--help')) return '--help'
  return first in pkg.oclif.topics ? `${first}:${second}` : first
}

/**
 * The folder of the user's code cache for a command. (Node's default, in /tmp, belongs to the first user to make it.) The
 * cache is executed, so a folder that somebody else could have filled gives undefined: the start is then a little slower.
 */
function cacheFolder(command: string): string | undefined {
  if (process.env['NODE_DISABLE_COMPILE_CACHE'] !== undefined || !/^[\w:-]+$/.test(command)) return undefined
  const given = process.env['XDG_CACHE_HOME'] ?? ''
  const common = join(isAbsolute(given) ? given : join(homedir(), '.cache'), 'cnilab', pkg.version)
  const folder = join(common, `${process.version}-${process.arch}`)
  if (distrust(folder) !== undefined) return undefined
  try {
    // Made at once: which of the environment's folders exist must not change while a command runs.
    makeFolder(folder, 0o700)
    return join(folder, command)
  } catch {
    return undefined
  }
}

async function runMain() {
  const command = named(process.argv.slice(2))
  const cache = new CodeCache(cacheFolder(command))
  const { DEBUG } = process.env
  delete process.env['DEBUG'] // meant for another program: oclif would log all that it does
  // Bundled from main.ts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { main } = cache.load(join(import.meta.dirname, 'main.cjs')) as typeof import('./main.ts')
  if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
  // The first word may not be the name of a command.
  let isCommand = ['--help', '--version'].includes(command)
  process.on('exit', () => isCommand && cache.save())
  await main((started) => (isCommand ||= started === command))
}

/** Starts the command that the arguments name, or says why it cannot. */
async function start() {
  completeEnvironment()
  ignoreWriteErrors()
  const problem = obstacle()
  if (problem !== undefined) {
    process.stderr.write(`${problem}\n`)
    process.exitCode = 3
    return
  }
  try {
    await runMain()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    process.stderr.write(`Error: cnilab's own files cannot be loaded: ${code}\n`)
    process.exitCode = 3
  }
}

void start()
