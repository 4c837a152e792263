import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import { distrust } from './kernel/trust.ts'
import { makeFolder } from './kernel/make-folder.ts'
import { MIB, readBytes } from './kernel/read-file.ts'
import { replaceFile } from './kernel/replace-file.ts'

/** A loaded file of the program. */
interface Loaded {
  script: Script
  module: { exports: unknown }
  /** Where its compiled code is cached; undefined if there is no cache. */
  cache: string | undefined
  /** Identifies the version of the file. */
  version: string
  /** Whether the cache has compiled code of this version. */
  isKept: boolean
}

/** The limit for a bundled file, and for its compiled code, in bytes. */
const MAX_SIZE = 64 * MIB

/**
 * Runs bundled files, which are CommonJS modules, with the code that V8 compiled in earlier runs. Node's own compile cache
 * saves only what is compiled before a file runs: each command would compile nearly all functions again.
 */
export class CodeCache {
  readonly #folder: string | undefined
  readonly #loaded = new Map<string, Loaded>()

  /** `folder` is the cache of one command, and the user's own; undefined for no cache. */
  constructor(folder: string | undefined) {
    this.#folder = folder
  }

  /** Loads a file, and returns its exports. */
  load(file: string): unknown {
    const before = this.#loaded.get(file)
    if (before) return before.module.exports
    const { size, mtimeMs } = statSync(file)
    const version = `${file} ${size} ${mtimeMs}`
    const cache = this.#folder === undefined ? undefined : join(this.#folder, file.replaceAll('/', '%').slice(-200))
    const kept = cache === undefined ? undefined : read(cache, version)
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) {${readBytes(file, MAX_SIZE).toString('latin1')}\n})`,
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
    // The script above is this function.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const run = script.runInThisContext() as (...given: unknown[]) => void
    run(module.exports, Object.assign(require, nodes), module, file, dirname(file))
    return module.exports
  }

  /** Saves the compiled code, at the end of a command. */
  save(): void {
    const folder = this.#folder
    if ([...this.#loaded.values()].every(({ isKept }) => isKept)) return
    try {
      // A flag that is set for a large lab would become part of it.
      process.getBuiltinModule('node:v8').setFlagsFromString('--no-optimize-for-size')
      for (const { script, cache, version, isKept } of this.#loaded.values()) {
        if (folder === undefined || cache === undefined || isKept) continue
        makeFolder(folder, 0o700)
        // V8 checks only the length of cached code, so it must be complete or missing.
        const whole = Buffer.concat([Buffer.from(`${version}\n`), script.createCachedData()])
        replaceFile(cache, whole, { mode: 0o600, flush: true })
      }
    } catch {
      // the next command starts as slowly as this one
    }
  }
}

/** The cached code of this version of a file; undefined if there is none. */
function read(cache: string, version: string): Buffer | undefined {
  try {
    if (distrust(cache) !== undefined) return undefined
    const bytes = readBytes(cache, MAX_SIZE)
    const end = bytes.indexOf('\n')
    return bytes.toString('utf8', 0, end) === version ? bytes.subarray(end + 1) : undefined
  } catch {
    return undefined
  }
}
