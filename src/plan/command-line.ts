import { type Command, HOST_PID } from '../operations/operation.ts'
import { hasHidden } from '../visible.ts'

/**
 * A word as it is typed into a POSIX shell. What hides is printed by printf(1), as `"$(printf 'a\033[2J')"`: dash, the
 * `sh` of Debian, does not know `$'…'`.
 */
export function quote(word: string): string {
  if (word === '!=' || /^[\w@%+=:,./-]+$/.test(word)) return word
  if (!hasHidden(word)) return `'${word.replaceAll("'", `'\\''`)}'`
  const [, start = '', lineBreaks = ''] = /^(.*?)(\n*)$/s.exec(word) ?? []
  // `--`: it may begin with a hyphen. Line breaks at the end would be lost: `$(…)` takes them away.
  return `"$(printf ${start.startsWith('-') ? '-- ' : ''}'${Array.from(start, toFormat).join('')}')${lineBreaks}"`
}

/** A character in printf's format. Some are read by shells in a way of their own within `"$('…')"`. */
function toFormat(character: string): string {
  if (character === '%') return '%%'
  if (character === '\n') return String.raw`\n`
  if (!hasHidden(character) && !/["'\\!`]/.test(character)) return character
  return [...Buffer.from(character)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('')
}

/** The argv that a person would type: `ip -n red address add …`, `ip netns exec red nft …`. `hostPid` stands for the host's namespace. */
export function toArgv(command: Command, hostPid: string): string[] {
  return typed(command).map((argument) => (argument === HOST_PID ? hostPid : argument))
}

/** One command as a line that can be pasted into a shell; `hostPid` may be what the shell itself fills in, such as `$$`. */
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
