import { type Command, HOST_PID } from '../operations/operation.ts'
import { hasHidden } from '../visible.ts'

/**
 * Quotes a word for a POSIX shell. Characters that do not show are written with printf(1), as `"$(printf 'a\033[2J')"`:
 * dash, Debian's `sh`, does not know `$'…'`.
 */
export function quote(word: string): string {
  if (word === '!=' || /^[\w@%+=:,./-]+$/.test(word)) return word
  if (!hasHidden(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  const [, start = '', lineBreaks = ''] = /^(.*?)(\n*)$/s.exec(word) ?? []
  // `--`: it may begin with a hyphen. `$(…)` would strip line breaks at the end.
  return `"$(printf ${start.startsWith('-') ? '-- ' : ''}'${Array.from(start, toFormat).join('')}')${lineBreaks}"`
}

/** Escapes a character for printf. Shells interpret some characters even within `"$('…')"`. */
function toFormat(character: string): string {
  if (character === '%') return '%%'
  if (character === '\n') return String.raw`\n`
  if (!hasHidden(character) && !/["'\\!`]/.test(character)) return character
  return [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}

/** The argv that a person would type: `ip -n red address add …`, `ip netns exec red nft …`. `hostPid` replaces HOST_PID. */
export function toArgv(command: Command, hostPid: string): string[] {
  return typed(command).map((argument) => (argument === HOST_PID ? hostPid : argument))
}

/** A command as a line that can be pasted into a shell. `hostPid` is not quoted, so it may be `$$`. */
export function toLine(command: Command, hostPid: string): string {
  return typed(command)
    .map((argument) => (argument === HOST_PID ? hostPid : quote(argument)))
    .join(' ')
}

function typed({ tool, argv, netns }: Command): string[] {
  if (netns === undefined) return [tool, ...argv]
  if (netns.startsWith('/')) return ['nsenter', `--net=${netns}`, '--', tool, ...argv]
  return tool === 'ip' ? ['ip', '-n', netns, ...argv] : ['ip', 'netns', 'exec', netns, tool, ...argv]
}

/** A program that a lab runs, as a line that can be pasted into a shell. */
export function programLine({ argv, netns }: { argv: readonly string[]; netns?: string | undefined }): string {
  return [...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]), ...argv].map(quote).join(' ')
}
