// The entry of the CNI plugins: one program for all types; the name under which it is started selects one.
import { basename } from 'node:path'
import { MIB, readDescriptor } from '../kernel/read-file.ts'
import { wasClosed, writeWhole } from '../kernel/write.ts'
import { setOwnFile } from './programs/find-plugin.ts'
import { types } from './plugins/types.ts'
import { runPlugin } from './protocol/run-plugin.ts'
import { visible } from '../visible.ts'

// A compiled plugin is its own executable, even if that has just been replaced (proc(5), "/proc/pid/exe"); otherwise a
// script passes its own path.
const file = process.argv[2] ?? process.execPath.replace(/ \(deleted\)$/, '')
const name = basename(file)

/** Reads the configuration: a GC of tens of thousands of containers has 5 MiB. */
const readInput = () => readDescriptor(0, 16 * MIB, 5000).toString('utf8')

async function main(): Promise<void> {
  // Streams take 10 ms to load, so read and write descriptors directly.
  const type = types[name]
  if (!type) {
    const names = Object.keys(types).join(', ')
    complain(`this is a CNI plugin of cnilab, which must be called ${names}, not '${name}'`)
    process.exitCode = 1
    return
  }
  setOwnFile(file)
  const writeStdout = (text: string) => {
    if (text !== '' && wasClosed(1)) throw new Error('EBADF: bad file descriptor, write')
    writeWhole(1, text)
  }
  const output = await runPlugin(name, await type(), process.env, readInput, writeStdout)
  const { code, stdout, stderr, error } = output
  process.exitCode = code
  if (stderr !== '') complain(stderr)
  try {
    writeStdout(stdout)
  } catch (refusal) {
    fail(error ?? refusal)
  }
  if ((process.env['CNILAB_LOG'] ?? '') !== '' || output.about?.log !== undefined)
    await (await import('./call-log.ts')).logCall(name, process.env, output, performance.now())
}

/** If nobody reads the answer, says on stderr in one line what it was. */
function fail(error: unknown): void {
  const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n')
  complain(`cnilab's CNI plugin ${name}: ${message}`)
  process.exitCode = 1
}

function complain(text: string): void {
  try {
    writeWhole(2, `${visible(text.trimEnd())}\n`)
  } catch {
    // nobody is left to tell
  }
}

process.on('uncaughtException', (error) => {
  fail(error)
  process.exit()
})
main().catch(fail) // a top-level await could not be compiled to bytecode
