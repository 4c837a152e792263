#!/usr/bin/env node
// The program's entry. Everything that older versions of Node may not understand is loaded after the check. It writes by
// itself, to load nothing, and only words of its own.
import { chmodSync, readdirSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { completeEnvironment } from './environment.ts'
import { makeFolder } from './kernel/make-folder.ts'
import pkg from '../package.json' with { type: 'json' }
import { distrust } from './kernel/trust.ts'
import { mindUnwritten } from './unwritten.ts'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** What keeps cnilab from running here, in one line. */
function obstacle() {
  if (process.platform !== 'linux')
    return `cnilab needs Linux network namespaces, which ${process.platform} does not have: use a Linux VM (${process.platform === 'win32' ? 'WSL2' : 'Lima, UTM'}, or any other)`
  if (major < 22 || (major === 22 && minor < 22))
    return `cnilab needs Node ${pkg.engines.node}; this is ${process.version}`
  return undefined
}

/**
 * The user's own cache folder: the default one in /tmp belongs to whichever user came first. What is in it is run, so that one
 * which somebody else could have filled is not used. Undefined then, or where the home is read-only: start a little slower.
 */
function cacheFolder() {
  try {
    const given = process.env['XDG_CACHE_HOME'] ?? ''
    const folder = join(isAbsolute(given) ? given : join(homedir(), '.cache'), 'cnilab', pkg.version)
    if (distrust(folder) !== undefined) return undefined
    makeFolder(folder, 0o700)
    chmodSync(folder, 0o700) // Node makes its files as the umask says
    // One of each version of Node.
    const all = [folder, ...readdirSync(folder).map((name) => join(folder, name))]
    return all.some((path) => distrust(path) !== undefined) ? undefined : folder
  } catch {
    return undefined
  }
}

/** Shows a step without loading the whole program, if that is all that is asked for. */
async function showsQuickly() {
  const [command, ...words] = process.argv.slice(2)
  if (command !== 'step' || words.length !== 2 || !words.includes('--show')) return false
  const { showQuickly } = await import('./quick-show.ts')
  return showQuickly(words, join(import.meta.dirname, '..', 'step-texts.json'))
}

async function runMain() {
  const { DEBUG } = process.env
  delete process.env['DEBUG'] // meant for something else: oclif would tell all that it does
  const { main } = await import('./main.ts')
  if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
  await main()
}

completeEnvironment()
mindUnwritten()
const problem = obstacle()
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 3
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  process.stdout.write(`${pkg.name}/${pkg.version} ${process.platform}-${process.arch} node-${process.version}\n`)
} else {
  const folder = cacheFolder()
  if (folder !== undefined) module.enableCompileCache(folder)
  try {
    if (!(await showsQuickly())) await runMain()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    process.stderr.write(`Error: cnilab's own files cannot be loaded: ${code}\n`)
    process.exitCode = 3
  }
}
