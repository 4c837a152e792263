import { type Command, HOST_PID } from '../operations/operation.ts'

/** Quotes one argument for a POSIX shell. */
function quote(argument: string): string {
  if (argument === '!=' || /^[\w@%+=:,./-]+$/.test(argument)) return argument
  return `'${argument.replaceAll("'", `'\\''`)}'`
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
