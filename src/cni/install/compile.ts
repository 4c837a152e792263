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
 * Plugins are started for every call, so what counts is how soon they begin: to compile to bytecode and to optimise late
 * takes 5 ms of 20 away. What lies about in a runtime's folder (.env, bunfig.toml) is not to be read.
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

/** Bun's executable: of the package `bun` where cnilab finds packages, else of the search path. Throws `machine`. */
function findBun(): string {
  const inPackage = bunPackage()
  const folders = searchPath().split(':')
  const files = [
    ...(inPackage === undefined ? [] : [join(inPackage, 'bin', 'bun.exe')]), // its name on every system
    ...folders.map((folder) => join(folder, 'bun')),
  ]
  const file = files.find((path) => existsSync(path))
  if (file !== undefined) return file
  throw new CnilabError('machine', "the plugins are compiled by Bun, which is not installed (npm's package bun)", {
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

/** Runs a program from a folder, with these variables and no others. */
function runIn(folder: string, argv: readonly string[], env: NodeJS.ProcessEnv, signal?: AbortSignal) {
  return spawn(['/bin/sh', '-c', 'cd "$0" && exec "$@"', folder, ...argv], { signal, env })
}

/**
 * Compiles the plugins to one executable for all types, in `folder`, where nothing else is to be seen. Takes about a
 * second. Throws CnilabError `machine` when there is no Bun, or it fails.
 */
export async function compile(folder: string, file: string, signal: AbortSignal): Promise<void> {
  const source = join(packageFolder(), 'dist', 'plugins', 'main.cjs') // is published, and starts as fast as the source
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
 * Makes sure that a compiled executable needs nothing but this system: it answers, under a type's name, with an empty
 * environment and from /, and it loads no library but the C library. Throws CnilabError `machine` with the reason.
 */
export async function proveSelfContained(file: string): Promise<void> {
  const refuse = (reason: string) =>
    new CnilabError('machine', `the compiled plugins would not be self-contained: ${reason}. Nothing was installed.`, {
      fix: `another Bun may be better: ${BUN_FIX}`,
    })
  const answer = await runIn('/', [file], { CNI_COMMAND: 'VERSION' })
  if (answer.code === 126)
    throw new CnilabError('machine', `programs cannot be run in ${dirname(dirname(file))}: ${firstWords(answer)}`, {
      fix: 'if its file system is mounted noexec, name another folder: --bin-dir DIR',
    })
  if (answer.code !== 0 || !answer.stdout.includes('"supportedVersions"'))
    throw refuse(`with an empty environment they do not answer (${firstWords(answer)})`)
  const libraries = await foreignLibraries(file).catch(() => {
    throw refuse('what libraries they need cannot be told without ldd (of the C library; on Debian package libc-bin)')
  })
  if (libraries.length > 0)
    throw refuse(`they need ${libraries.join(' and ')}, no part of the C library that every program of the system uses`)
}

/** The C library's files, of glibc and musl, where systems have them; the vdso is the kernel's. */
const SYSTEM =
  /^((\/usr)?\/lib(32|64|x32)?\/([\w-]+\/)?(ld-linux[\w-]*|ld-musl-\w+|ld64|libc|libm|libdl|libpthread|librt|libresolv)\.so[.\d]*|linux-(vdso|gate)(32|64)?\.so\.1)$/

/** The libraries that an executable loads, apart from the C library, as ldd(1) shows them. For files that may be run only. */
export async function foreignLibraries(file: string): Promise<string[]> {
  const { stdout, stderr } = await spawn(['ldd', file], { env: { PATH: searchPath(), LC_ALL: 'C' } })
  if (/statically linked|not a (valid )?dynamic/i.test(stdout + stderr)) return []
  return stdout
    .split('\n')
    .map((line) => line.replace(/\(0x[0-9a-f]+\)$/, '').trim())
    .filter((line) => line !== '')
    .filter((line) => !SYSTEM.test(line.split(' => ')[1] ?? line))
}
