import { type Command, HOST_PID } from '../operations/operation.ts'

/** Quotes one argument for a POSIX shell. */
function quote(argument: string): string {
  if (/^[\w@%+=:,./!-]+$/.test(argument)) return argument
  return `'${argument.replaceAll("'", `'\\''`)}'`
}

/** The argv that a person would type: `ip -n red address add …`, `ip netns exec red nft …`. `hostPid` stands for the host's namespace. */
export function toArgv(command: Command, hostPid: string): string[] {
  const argv = command.argv.map((argument) => (argument === HOST_PID ? hostPid : argument))
  if (command.netns === undefined) return [command.tool, ...argv]
  if (command.tool === 'ip') return ['ip', '-n', command.netns, ...argv]
  return ['ip', 'netns', 'exec', command.netns, command.tool, ...argv]
}

/** One command as a line that can be pasted into a shell. */
export function toLine(command: Command, hostPid: string): string {
  return toArgv(command, hostPid)
    .map((argument) => (argument === '$$' ? argument : quote(argument)))
    .join(' ')
}
