import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** Why tests with several users cannot be run; undefined if they can. */
export const noUsers = process.getuid?.() === 0 ? undefined : 'needs root, to be several users'

/** Two users besides root, and of no group but their own. */
export const ALICE = 1234
/** The second of them. */
export const EVE = 4321

/** A folder of a test file's own, which all users may see, and in which each may make something. */
export const common = noUsers === undefined ? mkdtempSync('/tmp/cnilab-users-') : ''
if (common !== '') {
  chmodSync(common, 0o1777)
  afterAll(() => rmSync(common, { recursive: true, force: true }))
}

/** A copy of the program, its sources, and Node: where this clone is may be closed to others. */
export const copy = {
  folder: join(common, 'cnilab'),
  node: join(common, 'cnilab', 'node'),
  program: join(common, 'cnilab', 'dist', 'src', 'cnilab.js'),
}

/** Makes that copy. */
export function makeCopy(): void {
  const clone = join(import.meta.dirname, '..')
  for (const name of ['dist', 'src', 'labs', 'package.json', 'oclif.manifest.json'])
    cpSync(join(clone, name), join(copy.folder, name), { recursive: true })
  cpSync(process.execPath, copy.node)
  spawnSync('chmod', ['-R', 'a+rX', copy.folder])
}

/** Makes a folder in the common one, and returns its path. */
export function makeFolderOf(uid: number, name: string, mode = 0o755): string {
  const path = join(common, name)
  mkdirSync(path)
  chmodSync(path, mode)
  chownSync(path, uid, uid)
  return path
}

/** Runs a program as a user, with no more in its environment than is given. Returns its exit status and all that it printed. */
export function as(
  uid: number,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number | null; output: string } {
  const drop = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const [file = '', ...rest] = [...(uid === 0 ? [] : drop), ...argv]
  const { status, stdout, stderr } = spawnSync(file, rest, {
    cwd: '/',
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], NO_COLOR: '1', ...env },
  })
  return { code: status, output: `${stdout}${stderr}` }
}

/** Runs the copy of the program. */
export function cnilabAs(uid: number, args: readonly string[], env: Readonly<Record<string, string>>) {
  return as(uid, [copy.node, copy.program, ...args], { HOME: join(common, 'nobody'), SHELL: '/bin/sh', ...env })
}
