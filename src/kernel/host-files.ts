import { CnilabError } from '../errors.ts'
import type { Host } from './host.ts'
import { spawnOn } from './on-host.ts'
import { MIB } from './read-file.ts'

// All is done by programs on the host: a link in a sandbox must not lead to a file of the machine, and the sandbox of
// root belongs to another user, whose file systems know no file of root's.

/** Runs a shell script on the host. Its words come as $1, $2, … Throws CnilabError `state` where it was killed. */
async function script(host: Host, text: string, words: readonly string[], input = '') {
  const finished = await spawnOn(host, undefined, ['sh', '-c', text, 'sh', ...words], { input })
  // What it could not say must not be taken for missing. A shell tells of a signal by a number above 128.
  if (finished.code === undefined || finished.code > 128)
    throw new CnilabError('state', 'a program that reads and writes files was killed', { fix: 'run the command again' })
  return finished
}

/** Of a file, and of all files of a folder: results of CNI have a few KiB each. */
const LARGEST = MIB
const ALL = 64 * MIB

/** A text file of the host; undefined if there is none, and '' for what cannot be read: something else, or a huge one. */
export async function readHostFile(host: Host, path: string): Promise<string | undefined> {
  const text = `[ -e "$1" ] || [ -L "$1" ] || exit 1
[ ! -f "$1" ] || head -c ${LARGEST + 1} -- "$1" 2>/dev/null || :`
  const { code, stdout } = await script(host, text, [path])
  if (code !== 0) return undefined
  return stdout.length > LARGEST ? '' : stdout
}

/**
 * The text files in a folder of the host by name, sorted; one that cannot be read, or is huge, is ''. None if there is no
 * folder. Throws CnilabError `state` if they are too much.
 */
export async function readHostFolder(host: Host, folder: string): Promise<Map<string, string>> {
  // One line with the name and NUL for each file, and then the same in front of each line of each file.
  const text = `cd -- "$1" 2>/dev/null || exit 0
find . -maxdepth 1 -type f -printf '%p\\0\\n' -size -${LARGEST + 1}c -exec grep -aHZs '' {} + | head -c ${ALL}`
  const { stdout } = await script(host, text, [folder])
  if (stdout.length >= ALL)
    throw new CnilabError('state', `the files in ${folder} are more than anybody needs: 64 MiB, or more`, {
      fix: `see what they are, and remove what is of no use: ls -lS ${folder}`,
    })
  const files = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const at = line.indexOf('\0')
    if (at < 0) continue
    const name = line.slice(2, at)
    const content = line.slice(at + 1)
    files.set(name, `${files.get(name) ?? ''}${content}${content === '' ? '' : '\n'}`)
  }
  return new Map([...files].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** How the names of files begin that are not complete yet. */
const INCOMPLETE = '.cnilab-'

/** Whether a file was left by a `writeHostFile` that was killed. */
export function isIncomplete(name: string): boolean {
  return name.startsWith(INCOMPLETE)
}

/**
 * Writes a text file that only its owner may read, and its folder: a reader sees the old one or the new one, never
 * a part, also after the power failed. Throws CnilabError `state`.
 */
export async function writeHostFile(host: Host, folder: string, name: string, text: string): Promise<void> {
  const write = `umask 077
mkdir -p -- "$1" && new=$(mktemp "$1/${INCOMPLETE}XXXXXXXX") || exit 1
cat >"$new" && sync "$new" && mv -fT "$new" "$1/$2" && sync "$1" && exit
rm -f "$new"
exit 1`
  const { code, stderr } = await script(host, write, [folder, name], text)
  if (code !== 0) throw new CnilabError('state', `could not write ${folder}/${name}: ${stderr.trim()}`)
}

/** Removes a file of the host that may be there. Throws CnilabError `state`. */
export async function removeHostFile(host: Host, path: string): Promise<void> {
  const { code, stderr } = await script(host, 'rm -f -- "$1"', [path])
  if (code !== 0) throw new CnilabError('state', `could not remove ${path}: ${stderr.trim()}`)
}

/** Those of some paths at which the host has a program: a file that can be run. */
export async function programsAmong(host: Host, paths: readonly string[]): Promise<Set<string>> {
  const text = `for file; do [ -f "$file" ] && [ -x "$file" ] && printf '%s\\0' "$file"; done; :`
  const { stdout } = await script(host, text, paths)
  return new Set(stdout.split('\0').filter((path) => path !== ''))
}

/** The programs in a folder of the host, by name, sorted. */
export async function programsIn(host: Host, folder: string): Promise<string[]> {
  const text = `for file in "$1"/*; do [ -f "$file" ] && [ -x "$file" ] && printf '%s\\0' "\${file##*/}"; done; :`
  const { stdout } = await script(host, text, [folder])
  return stdout.split('\0').filter((name) => name !== '')
}

/** What statfs(2) says of a namespace's file (linux/magic.h, NSFS_MAGIC). */
export const NSFS = 0x6e736673

/** Shell text that asks whether a path is a namespace's, and does not open it: of a pipe, that would never end. */
export function isNamespace(path: string): string {
  return `[ "$(stat -f -c %t -- "${path}" 2>/dev/null)" = ${NSFS.toString(16)} ]`
}

/** Those of some paths at which the host has a namespace. */
export async function namespacesAmong(host: Host, paths: readonly string[]): Promise<Set<string>> {
  const text = `for path; do ! ${isNamespace('$path')} || printf '%s\\0' "$path"; done`
  const { stdout } = paths.length === 0 ? { stdout: '' } : await script(host, text, paths)
  return new Set(stdout.split('\0').filter((path) => path !== ''))
}

/**
 * The interfaces of the network namespace at a path of the host; undefined if there is no such file. Throws CnilabError
 * `state` if it is no network namespace.
 */
export async function interfacesAt(host: Host, path: string): Promise<string[] | undefined> {
  const text = `[ -e "$1" ] || exit 99
${isNamespace('$1')} || { echo 'something else is there' >&2; exit 98; }
exec nsenter --net="$1" -- cat /proc/net/dev`
  const { code, stdout, stderr } = await script(host, text, [path])
  if (code === 99) return undefined
  if (code !== 0)
    throw new CnilabError('state', `${path} is no network namespace: ${stderr.trim()}`, {
      fix: 'give the name of one, or the path of its file, such as /run/netns/red',
    })
  return stdout
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== '')
}
