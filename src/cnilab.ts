#!/usr/bin/env node
// The program's entry. Everything that older versions of Node may not understand is loaded after the check. It writes by
// itself, to load nothing, and only words of its own.
import module from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { completeEnvironment } from './environment.ts'
import { makeFolder } from './kernel/make-folder.ts'
import pkg from '../package.json' with { type: 'json' }

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

/** What keeps cnilab from running here, in one line. */
function obstacle() {
  if (process.platform !== 'linux')
    return `cnilab needs Linux network namespaces, which ${process.platform} does not have: use a Linux VM (${process.platform === 'win32' ? 'WSL2' : 'Lima, UTM'}, or any other)`
  if (major < 22 || (major === 22 && minor < 22))
    return `cnilab needs Node ${pkg.engines.node}; this is ${process.version}`
  return undefined
}

/** The user's own cache folder: the default one in /tmp belongs to whoever came first. */
function cacheFolder() {
  const given = process.env['XDG_CACHE_HOME'] ?? ''
  const base = isAbsolute(given) ? given : join(homedir(), '.cache')
  const folder = join(base, 'cnilab', pkg.version)
  try {
    makeFolder(folder, 0o700)
    return folder
  } catch {
    return undefined // a read-only home: start a little slower
  }
}

/** Shows a step without loading the whole program, if that is all that is asked for. */
async function showsQuickly() {
  const [command, ...words] = process.argv.slice(2)
  if (command !== 'step' || words.length !== 2 || !words.includes('--show')) return false
  const { showQuickly } = await import('./quick-show.ts')
  return showQuickly(words, join(import.meta.dirname, '..', 'step-texts.json'))
}

/** Goes on when nothing can be written any more: there may be much to tear down. */
function bearFailedWrites() {
  for (const stream of [process.stdout, process.stderr])
    stream.removeAllListeners('error').on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') return // the reader went away, as in `cnilab lab run | head -1`
      process.exitCode = 1 // a full disk, say
      if (stream === process.stdout && !isTold) process.stderr.write(`Error: could not write the result: ${message}\n`)
      isTold = true
    })
}
let isTold = false

completeEnvironment()
bearFailedWrites()
const problem = obstacle()
if (problem !== undefined) {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 3
} else if (process.argv.length === 3 && process.argv[2] === '--version') {
  process.stdout.write(`${pkg.name}/${pkg.version} ${process.platform}-${process.arch} node-${process.version}\n`)
} else {
  const folder = cacheFolder()
  if (folder !== undefined) module.enableCompileCache(folder)
  if (!(await showsQuickly())) {
    const { DEBUG } = process.env
    delete process.env['DEBUG'] // meant for something else: oclif would tell all that it does
    const { main } = await import('./main.ts')
    if (DEBUG !== undefined) process.env['DEBUG'] = DEBUG
    bearFailedWrites() // oclif has a listener that throws
    await main()
  }
}
