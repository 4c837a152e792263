import { START_SIZE, unstartable } from './program-file.ts'
import { CnilabError } from '../errors.ts'
import type { Host } from './host.ts'
import { spawnOn } from './on-host.ts'
import { MIB } from './read-file.ts'

// Programs on the host do all of this: a link in a sandbox must not lead to a file of the machine, and root's sandbox
// belongs to another user, on whose file systems root's uid does not exist.

/** Runs a shell script on the host, with `words` as $1, $2, … Throws CnilabError `state` if it was killed. */
async function script(host: Host, text: string, words: readonly string[], input = '') {
  const finished = await spawnOn(host, undefined, ['sh', '-c', text, 'sh', ...words], { input })
  // Output cut short must not be taken for missing files. A shell reports a signal as a status above 128.
  if (finished.code === undefined || finished.code > 128)
    throw new CnilabError('state', 'a program that reads and writes files was killed', { fix: 'run the command again' })
  return finished
}

/** The size limits of a file, and of all files of a directory: CNI results have a few KiB each. */
const MAX_SIZE = MIB
const ALL = 64 * MIB

/** Reads a text file of the host; undefined if there is none, '' if it is unreadable: not a file, or too large. */
export async function readHostFile(host: Host, path: string): Promise<string | undefined> {
  const text = `[ -e "$1" ] || [ -L "$1" ] || exit 1
[ ! -f "$1" ] || head -c ${MAX_SIZE + 1} -- "$1" 2>/dev/null || :`
  const { code, stdout } = await script(host, text, [path])
  if (code !== 0) return undefined
  return stdout.length > MAX_SIZE ? '' : stdout
}

/**
 * Reads the text files in a directory of the host, by name, sorted; '' for one that is unreadable or too large. Empty if
 * there is no directory. Throws CnilabError `state` if they are too large together.
 */
export async function readHostFolder(host: Host, folder: string): Promise<Map<string, string>> {
  // Prints one line with name and NUL for each file, and then the same in front of each line of each file.
  const text = `cd -- "$1" 2>/dev/null || exit 0
find . -maxdepth 1 -type f -printf '%p\\0\\n' -size -${MAX_SIZE + 1}c -exec grep -aHZs '' {} + | head -c ${ALL}`
  const { stdout } = await script(host, text, [folder])
  if (stdout.length >= ALL)
    throw new CnilabError('state', `the files in ${folder} are too large: 64 MiB or more`, {
      fix: `see what they are, and remove those that are useless: ls -lS ${folder}`,
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

/** The names of incomplete files begin with this. */
const INCOMPLETE = '.cnilab-'

/** Whether a `writeHostFile` that was killed left this file. */
export function isIncomplete(name: string): boolean {
  return name.startsWith(INCOMPLETE)
}

/**
 * Writes a text file that only its owner may read, and creates its directory. Atomic: a reader sees the old or the new
 * file, never a part, even after a power failure. Throws CnilabError `state`.
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

/** Removes a file of the host, if it exists. Throws CnilabError `state`. */
export async function removeHostFile(host: Host, path: string): Promise<void> {
  const { code, stderr } = await script(host, 'rm -f -- "$1"', [path])
  if (code !== 0) throw new CnilabError('state', `could not remove ${path}: ${stderr.trim()}`)
}

/** What is at a path where a program should be: `wrong` says why it cannot be started. */
export interface ProgramFile {
  isExecutable: boolean
  wrong: string | undefined
}

/** What is at those of the paths of the host at which there is anything. */
export async function programsAmong(host: Host, paths: readonly string[]): Promise<Map<string, ProgramFile>> {
  const text = `for file; do
    if [ -d "$file" ]; then kind='it is a folder'
    elif [ ! -e "$file" ]; then continue
    elif [ ! -f "$file" ]; then kind='it is not a file'
    elif [ ! -x "$file" ]; then kind='it is not executable: chmod +x'
    else kind=; fi
    start= lacking=
    if [ -z "$kind" ]; then
      start=$(od -An -v -tx1 -N${START_SIZE} -- "$file")
      case $start in
        ' 23 21'*) IFS= read -r line <"$file"; line=\${line#??}; program=\${line# }; program=\${program%% *}
          [ -x "$program" ] || lacking=yes ;;
      esac
    fi
    printf '%s\\0%s\\0%s\\0%s\\0' "$file" "$kind" "$start" "$lacking"
  done; :`
  const { stdout } = await script(host, text, paths)
  const fields = stdout.split('\0')
  const found = new Map<string, ProgramFile>()
  for (let at = 0; at + 4 <= fields.length; at += 4) {
    const [file = '', kind = '', start = '', lacking] = fields.slice(at, at + 4)
    const bytes = Buffer.from(start.replaceAll(/\s/g, ''), 'hex')
    const wrong = kind === '' ? unstartable({ bytes, hasInterpreter: lacking === '' }) : kind
    found.set(file, { isExecutable: kind === '', wrong })
  }
  return found
}

/** The names of the programs in a directory of the host, sorted. */
export async function programsIn(host: Host, folder: string): Promise<string[]> {
  const text = `for file in "$1"/*; do [ -f "$file" ] && [ -x "$file" ] && printf '%s\\0' "\${file##*/}"; done; :`
  const { stdout } = await script(host, text, [folder])
  return stdout.split('\0').filter((name) => name !== '')
}

/** The file system type of a namespace's file, by statfs(2) (linux/magic.h, NSFS_MAGIC). */
export const NSFS = 0x6e736673

/** A shell condition: whether a path is a namespace. It does not open the path, as opening a pipe would block. */
export function isNamespace(path: string): string {
  return `[ "$(stat -f -c %t -- "${path}" 2>/dev/null)" = ${NSFS.toString(16)} ]`
}

/** Those of the paths that are namespaces on the host. */
export async function namespacesAmong(host: Host, paths: readonly string[]): Promise<Set<string>> {
  const text = `for path; do ! ${isNamespace('$path')} || printf '%s\\0' "$path"; done`
  const { stdout } = paths.length === 0 ? { stdout: '' } : await script(host, text, paths)
  return new Set(stdout.split('\0').filter((path) => path !== ''))
}

/** The identities of those of the paths that are namespaces on the host: two files of one namespace have the same. */
export async function namespaceIdentities(host: Host, paths: readonly string[]): Promise<Map<string, string>> {
  const text = `for path; do ! ${isNamespace('$path')} || printf '%s %s\\0' "$(stat -L -c %d:%i -- "$path")" "$path"; done`
  const { stdout } = await script(host, text, paths)
  const lines = stdout.split('\0').filter((line) => line !== '')
  return new Map(lines.map((line): [string, string] => [line.slice(line.indexOf(' ') + 1), line.split(' ')[0] ?? '']))
}

/**
 * The interfaces of the network namespace at a path of the host; undefined if there is no such file. Throws CnilabError
 * `state` if it is not a network namespace.
 */
export async function interfacesAt(host: Host, path: string): Promise<string[] | undefined> {
  const text = `[ -e "$1" ] || exit 99
${isNamespace('$1')} || { echo 'it is something else' >&2; exit 98; }
exec nsenter --net="$1" -- cat /proc/net/dev`
  const { code, stdout, stderr } = await script(host, text, [path])
  if (code === 99) return undefined
  if (code !== 0)
    throw new CnilabError('state', `${path} is not a network namespace: ${stderr.trim()}`, {
      fix: 'name a namespace, or give the path of its file, such as /run/netns/red',
    })
  return stdout
    .split('\n')
    .slice(2)
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => name !== '')
}
