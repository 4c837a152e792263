import { CnilabError } from '../errors.ts'
import { type Command, HOST_PID } from '../operations/operation.ts'
import { type Batch, toStages } from '../plan/batches.ts'
import { toLine } from '../plan/command-line.ts'
import { remedyForLimit } from './limits.ts'
import { withFiles } from './files.ts'
import type { Host } from './host.ts'
import type { Launch } from './launcher.ts'
import { spawnOn } from './on-host.ts'
import { type Finished, wasKilled } from './spawn.ts'

/** What ip(8), bridge(8) and nft(8) say of something that the kernel does not have. */
const LACKING = /Unknown device type|not supported/

/** A command that the kernel refused. `modules`: those that it needs, if that is known. `commands` are all commands of its process, any of which may be the one. */
export class KernelError extends CnilabError {
  readonly commands: readonly Command[]
  /** The one that failed, if that is known. */
  readonly culprit: Command | undefined
  readonly modules: string | undefined

  constructor(message: string, commands: readonly Command[], culprit: Command | undefined, modules?: string) {
    const lacking = modules !== undefined && LACKING.test(message)
    const fix = lacking
      ? `sudo modprobe -a ${modules} on the machine; if that does not help, its kernel was built without it`
      : remedyForLimit(message)
    super(lacking ? 'machine' : 'state', message, {
      ...(culprit ? { command: toLine(culprit, '1') } : {}),
      ...(fix === undefined ? {} : { fix }),
    })
    this.commands = commands
    this.culprit = culprit
    this.modules = modules
  }
}

/** Reports how far `run` has come, in commands. */
export type Progress = (done: number, total: number) => void

/** Options of `run`: to stop it between two processes, and to follow its progress. */
export interface RunOptions {
  signal?: AbortSignal | undefined
  progress?: Progress | undefined
}

/** How many commands, or namespaces, one process handles at most; progress is reported after each. */
const SLICE = 200

/** After how many seconds to give up on a process that changes something: in the worst case it deletes 200 cables. */
const TIME_LIMIT = 60

/** From this many namespaces on, one xargs runs their batches, instead of us starting one process each. */
const MANY = 4

/**
 * Runs commands on a host, in order, in as few processes as possible. Throws KernelError at the first refusal; earlier
 * commands have then been done, and perhaps some later ones: read the kernel again. `signal` stops it between two
 * processes; in a sandbox that only we use, it also kills the current one.
 */
export async function run(
  host: Host,
  launch: Launch,
  commands: readonly Command[],
  { signal, progress }: RunOptions = {},
): Promise<void> {
  let done = 0
  for (const stage of toStages(commands).flatMap(sliced)) {
    signal?.throwIfAborted()
    if (stage.length >= MANY && stage.every(({ tool, netns }) => tool === 'ip' && netns?.startsWith('/') !== true))
      await runMany(host, stage, host.common ? undefined : signal)
    else for (const batch of stage) await runBatch(host, launch, batch)
    done += stage.reduce((sum, batch) => sum + batch.commands.length, 0)
    progress?.(done, commands.length)
  }
}

/** Splits a stage into pieces that are small enough to report progress. */
function sliced(stage: readonly Batch[]): Batch[][] {
  const [first] = stage
  if (stage.length > 1 || !first || first.tool === 'nft') return slices(stage)
  return slices(first.commands).map((commands) => [{ ...first, commands }])
}

function slices<T>(all: readonly T[]): T[][] {
  const count = Math.ceil(all.length / SLICE)
  return Array.from({ length: count }, (_, i) => all.slice(i * SLICE, (i + 1) * SLICE))
}

/**
 * An `ip` batch line. Aliases contain spaces. Refuses what the batch would read as a comment or a quotation, after which the
 * line could name another interface; names that users may choose contain none of these characters.
 */
function ipLine(host: Host, { argv }: Command): string {
  return argv
    .map((argument) => {
      if (argument === HOST_PID) return String(host.pid)
      if (/["'#\\\n]/.test(argument)) throw new CnilabError('state', `ip -batch cannot name '${argument}'`)
      return /\s/.test(argument) ? `"${argument}"` : argument
    })
    .join(' ')
}

async function runBatch(host: Host, launch: Launch, batch: Batch): Promise<void> {
  const { tool, netns, commands } = batch
  const [single, another] = commands
  if (single && !another && tool === 'ip') return runSingle(host, launch, single)
  const lines =
    tool === 'ip' || tool === 'bridge'
      ? commands.map((command) => ipLine(host, command))
      : commands.map(({ argv }) => argv.join(' '))
  const misread = commands.flatMap((one) => one.argv).find((argument) => argument.includes('\n'))
  if (misread !== undefined) throw new CnilabError('state', `${tool} cannot name '${misread}'`)
  const [argv, input] =
    tool === 'ip' || tool === 'bridge'
      ? [[tool, '-batch', '-'], lines.join('\n')]
      : tool === 'nft'
        ? [['nft', '-f', '-'], lines.join('\n')]
        : [['sysctl', '-qw', ...commands.flatMap((command) => command.argv.slice(1))], '']
  const finished = await launch(netns, argv, input === '' ? '' : `${input}\n`, TIME_LIMIT)
  if (finished.code === 0) return
  const line = Number(/(?:Command failed -|\/dev\/stdin):(\d+)/.exec(finished.stderr)?.[1] ?? 0)
  throw failure(finished, commands, commands[line - 1])
}

/** A single command does not need a batch on standard input. */
async function runSingle(host: Host, launch: Launch, command: Command): Promise<void> {
  const argv = command.argv.map((argument) => (argument === HOST_PID ? String(host.pid) : argument))
  const finished = await launch(command.netns, ['ip', ...argv], '', TIME_LIMIT)
  if (finished.code !== 0) throw failure(finished, [command], command)
}

/** Writes one batch file for each namespace, and has one xargs run four of them at a time. */
async function runMany(host: Host, batches: readonly Batch[], signal?: AbortSignal): Promise<void> {
  const byName = new Map(batches.map((batch) => [batch.netns ?? '', batch]))
  const files = new Map(
    [...byName].map(([name, { commands }]) => [name, commands.map((command) => ipLine(host, command))]),
  )
  const finished = await withFiles(host, files, (folder) =>
    spawnOn(
      host,
      undefined,
      ['xargs', '-0', '-P4', '-I{}', 'nsenter', '--net=/run/netns/{}', '--', 'ip', '-batch', `${folder}/{}`],
      { input: [...byName.keys()].join('\0'), signal, limit: TIME_LIMIT },
    ),
  )
  if (finished.code === 0) return
  const [, name = '', line = ''] = /Command failed \S*\/([^/\s]+):(\d+)/.exec(finished.stderr) ?? []
  throw failure(
    finished,
    batches.flatMap((batch) => batch.commands),
    byName.get(name)?.commands[Number(line) - 1],
  )
}

/**
 * The error of a process, with the command that failed, if that is known: the one of the line that it named; or the only one
 * with a word that it quotes, as ip(8) names no line for a wrong argument; or the only one. If it was killed, nobody knows how
 * far it got, so no command is blamed.
 */
function failure(finished: Finished, commands: readonly Command[], culprit: Command | undefined): KernelError {
  const lines = finished.stderr
    .split('\n')
    .map((line) => line.replace(/^(RTNETLINK answers|Error|sysctl): /, '').trim())
    .filter((line) => line !== '' && !line.startsWith('Command failed'))
  const [message = 'the command failed without a message'] = lines
  return new KernelError(message, commands, wasKilled(finished) ? undefined : (culprit ?? quotedIn(message, commands)))
}

/** The only command that has a word which a message quotes. */
function quotedIn(message: string, commands: readonly Command[]): Command | undefined {
  if (commands.length === 1) return commands[0]
  const quoted = [...message.matchAll(/"([^"]+)"/g)].map(([, word = '']) => word)
  return quoted
    .map((word) => commands.filter(({ argv }) => argv.includes(word)))
    .find((having) => having.length === 1)?.[0]
}
