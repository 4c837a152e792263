// The entry of the CNI plugins: one program for all types, told by the name under which it is started.
import { writeSync } from 'node:fs'
import { basename } from 'node:path'
import { MIB, readDescriptor } from '../kernel/read-file.ts'
import { setOwnFile } from './ipam/find-plugin.ts'
import { types } from './plugins/types.ts'
import { runPlugin } from './run-plugin.ts'
import { visible } from '../visible.ts'

/** A GC of tens of thousands of containers takes 5 MiB. */
const readInput = () => readDescriptor(0, 16 * MIB, 5000).toString('utf8')

async function main(): Promise<void> {
  // Streams take 10 ms to load: descriptors are read and written as they are.
  // Compiled, it is its own executable, even if that has just been replaced (proc(5), "/proc/pid/exe"); else a script
  // names itself.
  const file = process.argv[2] ?? process.execPath.replace(/ \(deleted\)$/, '')
  const name = basename(file)
  const type = types[name]
  if (!type) {
    const names = Object.keys(types).join(', ')
    writeSync(2, visible(`this is a CNI plugin of cnilab, to be called ${names}, not '${name}'\n`))
    process.exitCode = 1
    return
  }
  setOwnFile(file)
  const { code, stdout, stderr } = await runPlugin(name, await type(), process.env, readInput)
  if (stderr !== '') writeSync(2, stderr)
  if (stdout !== '') writeSync(1, stdout)
  process.exitCode = code
}

void main() // awaited at the top level it could not be compiled to bytecode
