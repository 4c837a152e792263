import { existsSync } from 'node:fs'
import module from 'node:module' // the name createRequire is taken by what the build puts in front
import { dirname, join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { searchPath } from '../../kernel/environment.ts'
import { type Finished, spawn } from '../../kernel/spawn.ts'
import { packageFolder } from '../../kernel/package-folder.ts'
import { programLine } from '../../plan/command-line.ts'
import { MARK } from './ours.ts'

/**
 * A plugin is started for every call, so start-up time matters: bytecode and late optimisation save 5 of 20 ms. Files in a
 * runtime's working directory (.env, bunfig.toml) must not be read.
 */
const FLAGS = [
  '--compile',
  '--bytecode',
  '--minify',
  '--compile-jit-policy=100',
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  `--banner=/*! ${MARK} */`,
]

/** Bun's executable: from the package `bun` if cnilab can resolve it, else from PATH. Throws CnilabError `machine`. */
function findBun(): string {
  const inPackage = bunPackage()
  const folders = searchPath().split(':')
  const files = [
    ...(inPackage === undefined ? [] : [join(inPackage, 'bin', 'bun.exe')]), // its name on every system
    ...folders.map((folder) => join(folder, 'bun')),
  ]
  const file = files.find((path) => existsSync(path))
  if (file !== undefined) return file
  throw new CnilabError('machine', "Bun compiles the plugins, but it is not installed (npm's package bun)", {
    fix: BUN_FIX,
  })
}

function bunPackage(): string | undefined {
  try {
    return dirname(module.createRequire(join(packageFolder(), 'package.json')).resolve('bun/package.json'))
  } catch {
    return undefined
  }
}

const BUN_FIX = `npm install --global bun@latest (or, in ${packageFolder()}: npm install --no-save bun@latest), then run this again`

/** Runs a program in a directory, with only these variables. */
function runIn(folder: string, argv: readonly string[], env: NodeJS.ProcessEnv, signal?: AbortSignal) {
  return spawn(['/bin/sh', '-c', 'cd "$0" && exec "$@"', folder, ...argv], { signal, env })
}

/**
 * Compiles the plugins into one executable for all types, `file`. Runs in `folder`, which should be empty. Takes about a
 * second. Throws CnilabError `machine` if there is no Bun, or it fails.
 */
export async function compile(folder: string, file: string, signal: AbortSignal): Promise<void> {
  const source = join(packageFolder(), 'dist', 'plugins', 'main.cjs') // it is published, and starts as fast as the source
  const bun = findBun()
  const argv = [bun, 'build', ...FLAGS, source, '--outfile', file]
  const finished = await runIn(folder, argv, { PATH: searchPath() }, signal)
  if (finished.code !== 0 || !existsSync(file))
    throw new CnilabError('machine', `Bun could not compile the plugins: ${firstWords(finished)}`, {
      command: programLine({ argv }),
      fix: /ENOSPC|No space left/.test(finished.stderr)
        ? `make room for 200 MB in ${folder} and in /tmp`
        : `if this Bun (${bun}) is old or incomplete: ${BUN_FIX}`,
    })
}

function firstWords({ code, signal, stdout, stderr }: Finished): string {
  const lines = `${stderr}\n${stdout}`.split('\n').filter((line) => line.trim() !== '')
  return lines.find((line) => /error/i.test(line)) ?? lines[0] ?? `exit status ${code ?? signal ?? 'unknown'}`
}

/**
 * Makes sure that a compiled executable depends only on this system: it answers, under a type's name, with an empty
 * environment and from /, and loads only the C library. Throws CnilabError `machine` with the reason.
 */
export async function proveSelfContained(file: string): Promise<void> {
  const refuse = (reason: string) =>
    new CnilabError('machine', `the compiled plugins would not be self-contained: ${reason}. Nothing was installed.`, {
      fix: `another Bun may be better: ${BUN_FIX}`,
    })
  const answer = await runIn('/', [file], { CNI_COMMAND: 'VERSION' })
  if (answer.code === 126)
    throw new CnilabError('machine', `cannot run programs in ${dirname(dirname(file))}: ${firstWords(answer)}`, {
      fix: 'if its file system is mounted noexec, name another folder: --bin-dir DIR',
    })
  if (answer.code !== 0 || !answer.stdout.includes('"supportedVersions"'))
    throw refuse(`with an empty environment they do not answer (${firstWords(answer)})`)
  const libraries = await foreignLibraries(file).catch(() => {
    throw refuse(
      'without ldd, nothing says which libraries they need (ldd is part of the C library; on Debian, package libc-bin)',
    )
  })
  if (libraries.length > 0)
    throw refuse(`they need ${libraries.join(' and ')}, which is not part of the C library that every program uses`)
}

/** The files of the C library, glibc or musl, in the usual places; the vdso is the kernel's. */
const SYSTEM =
  /^((\/usr)?\/lib(32|64|x32)?\/([\w-]+\/)?(ld-linux[\w-]*|ld-musl-\w+|ld64|libc|libm|libdl|libpthread|librt|libresolv)\.so[.\d]*|linux-(vdso|gate)(32|64)?\.so\.1)$/

/** The libraries that an executable loads, other than the C library, by ldd(1), which may run it: use it only for trusted files. */
export async function foreignLibraries(file: string): Promise<string[]> {
  const { stdout, stderr } = await spawn(['ldd', file], { env: { PATH: searchPath(), LC_ALL: 'C' } })
  if (/statically linked|not a (valid )?dynamic/i.test(stdout + stderr)) return []
  return stdout
    .split('\n')
    .map((line) => line.replace(/\(0x[0-9a-f]+\)$/, '').trim())
    .filter((line) => line !== '')
    .filter((line) => !SYSTEM.test(line.split(' => ')[1] ?? line))
}
