import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import { distrust } from './kernel/trust.ts'
import { makeFolder } from './kernel/make-folder.ts'
import { MIB, readBytes } from './kernel/read-file.ts'
import { replaceFile } from './kernel/replace-file.ts'

/** A file of the program that runs. */
interface Loaded {
  script: Script
  module: { exports: unknown }
  /** Where what was compiled of it is kept; undefined where nothing can be. */
  cache: string | undefined
  /** Which version of the file it is. */
  version: string
  /** Whether what is kept is of this version. */
  isKept: boolean
}

/** No bundled file is larger, nor what is compiled of it. */
const MOST = 64 * MIB

/**
 * Runs bundled files, which are CommonJS modules, with what V8 compiled of them in earlier runs. Node's own compile cache
 * keeps what is compiled before a file runs: nearly all functions would be compiled anew by each command.
 */
export class CodeCache {
  readonly #folder: string | undefined
  readonly #loaded = new Map<string, Loaded>()

  /** With what is kept in this folder, which is one command's, and the user's own; undefined for nothing. */
  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  /** What a file exports. */
  load(file: string): unknown {
    const before = this.#loaded.get(file)
    if (before) return before.module.exports
    const { size, mtimeMs } = statSync(file)
    const version = `${file} ${size} ${mtimeMs}`
    const cache = this.#folder === undefined ? undefined : join(this.#folder, file.replaceAll('/', '%').slice(-200))
    const kept = cache === undefined ? undefined : read(cache, version)
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) {${readBytes(file, MOST).toString('latin1')}\n})`,
      {
        filename: file,
        ...(kept ? { cachedData: kept } : {}),
      },
    )
    const isKept = script.cachedDataRejected === false
    const module = { exports: {} }
    this.#loaded.set(file, { script, module, cache, version, isKept })
    const nodes = createRequire(file)
    const require = (name: string): unknown =>
      name.startsWith('.') ? this.load(join(dirname(file), name)) : nodes(name)
    // The function that the text above is.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const run = script.runInThisContext() as (...given: unknown[]) => void
    run(module.exports, Object.assign(require, nodes), module, file, dirname(file))
    return module.exports
  }

  /** Keeps what was compiled, at the end of a command. */
  save(): void {
    const folder = this.#folder
    if ([...this.#loaded.values()].every(({ isKept }) => isKept)) return
    try {
      // What `lab run` sets would be a part of it.
      process.getBuiltinModule('node:v8').setFlagsFromString('--no-optimize-for-size')
      for (const { script, cache, version, isKept } of this.#loaded.values()) {
        if (folder === undefined || cache === undefined || isKept) continue
        makeFolder(folder, 0o700)
        // Of what is kept V8 checks the length alone: it is whole, or not there.
        const whole = Buffer.concat([Buffer.from(`${version}\n`), script.createCachedData()])
        replaceFile(cache, whole, { mode: 0o600, flush: true })
      }
    } catch {
      // The next one starts as slowly as this one.
    }
  }
}

/** What is kept of this version of a file. */
function read(cache: string, version: string): Buffer | undefined {
  try {
    if (distrust(cache) !== undefined) return undefined
    const bytes = readBytes(cache, MOST)
    const end = bytes.indexOf('\n')
    return bytes.toString('utf8', 0, end) === version ? bytes.subarray(end + 1) : undefined
  } catch {
    return undefined
  }
}
