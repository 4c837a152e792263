import { Flags } from '@oclif/core'
import { BETWEEN } from '../../cni/plugins/check-plan.ts'
import { CniError, UnwrittenResultError } from '../../cni/protocol/error.ts'
import { execute } from '../../cni/protocol/execute.ts'
import type { CniCommand } from '../../cni/protocol/plugin-type.ts'
import { AddError, type RunCall } from '../../cni/runtime/chain.ts'
import { readRequest, type Request, type RequestArguments } from '../../cni/runtime/request.ts'
import type { Job } from '../../cni/runtime/runtime.ts'
import { traced } from '../../cni/runtime/trace.ts'
import { LATEST } from '../../cni/protocol/versions.ts'
import type { Host } from '../../kernel/host.ts'
import { BaseCommand, type Document, hostFlags } from '../terminal/base-command.ts'
import { drawCall, drawTrace, planned } from './text.ts'
import { formatError } from '../terminal/error.ts'
import { relayStderr, printError, writeResult } from '../terminal/output.ts'
import { draw } from '../terminal/text.ts'
import { word } from '../terminal/word.ts'

/** What `--dry-run --json` prints. */
interface CallsDocument extends Document {
  host: string
  calls: ReturnType<typeof planned>
}

/** What the command returns: with --dry-run the calls, otherwise nothing, as the result of ADD is already printed. */
export type CniDocument = CallsDocument | undefined

/** The flags of the commands about one container. */
export const attachmentFlags = {
  cid: Flags.string({ description: 'container id [default: the one that cnitool derives from the path of NETNS]' }),
  ifname: Flags.string({ description: 'interface in the container [default: $CNI_IFNAME, or eth0]' }),
  args: Flags.string({ description: "pairs for the plugins, 'K=V;K2=V2' [default: $CNI_ARGS]" }),
  'cap-args': Flags.string({
    description: 'JSON for the capabilities that plugins declare [default: $CAP_ARGS]',
  }),
}

/** The arguments of the commands. */
export const networkArgument = word({ required: true, description: 'name of the network' })
/** Which container a command is about, by its namespace; a name stands for a file in /run/netns. */
export const netnsArgument = word({
  required: true,
  description: "the container's network namespace: its name, or the path of its file",
})

/** The flags of the commands, as parsed. */
interface RuntimeFlags {
  host: boolean
  sandbox: string
  'dry-run': boolean
  trace: boolean
  'conf-dir'?: string | undefined
  'cni-path'?: string | undefined
  cid?: string | undefined
  ifname?: string | undefined
  args?: string | undefined
  'cap-args'?: string | undefined
  keep?: string[] | undefined
}

/** Runs `work` to its end. Ctrl-C ends the current plugin, but DEL must still be sent, for what the others made. */
async function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  let isInterrupted = false
  const note = () => (isInterrupted = true)
  process.on('SIGINT', note)
  try {
    return await work()
  } catch (error) {
    if (isInterrupted) process.exitCode = 130
    throw error
  } finally {
    process.off('SIGINT', note)
  }
}

/** A command of the CNI runtime. On stdout it prints only what the CNI spec says. */
export abstract class CniRuntimeCommand extends BaseCommand {
  static override baseFlags = {
    ...hostFlags,
    'dry-run': Flags.boolean({
      description: 'print the calls of the plugins, to paste into a shell, and run nothing',
      helpGroup: 'GLOBAL',
    }),
    trace: Flags.boolean({
      description: 'show on stderr what each plugin gets, answers, and changes in the kernel',
      helpGroup: 'GLOBAL',
    }),
    'conf-dir': Flags.string({
      description: 'folder of network configuration [default: $NETCONFPATH, or /etc/cni/net.d]',
      helpGroup: 'GLOBAL',
    }),
    'cni-path': Flags.string({
      description: "plugin folders, separated by : [default: $CNI_PATH, or cnilab's own and the usual ones]",
      helpGroup: 'GLOBAL',
    }),
  }

  /** The CNI version for reporting an error. */
  private version: string = LATEST

  /** Reads the request, plans the command, and runs it or just shows it. */
  protected async perform(
    command: CniCommand,
    words: Pick<RequestArguments, 'network' | 'netns'>,
    flags: RuntimeFlags,
    plan: (host: Host, request: Request) => Promise<Job>,
  ): Promise<CniDocument> {
    const typed = {
      ...words,
      ...flags,
      confDir: flags['conf-dir'],
      cniPath: flags['cni-path'],
      capArgs: flags['cap-args'],
    }
    const request = readRequest(command, typed, process.env)
    if ('notices' in request.found) for (const notice of request.found.notices) this.notice(notice)
    const host = await this.openHost(flags)
    const job = await plan(host, request)
    this.version = job.network.version
    for (const notice of job.notices) this.notice(notice)
    if (flags['dry-run']) return this.show(host, job)
    const run: RunCall = async ({ file, variables, config }) => {
      const execution = await execute(host, file, variables, JSON.stringify(config), { passInterrupt: true })
      if (!flags.trace) relayStderr(execution.stderr) // as libcni does
      return execution
    }
    // Written immediately: if the result cannot be written, everything is undone.
    await uninterrupted(() =>
      job.run(flags.trace ? traced(host, run, (one) => printError(drawTrace(one))) : run, writeResult),
    )
    return undefined
  }

  private show(host: Host, { calls }: Job): CallsDocument {
    const all = planned(calls)
    for (const call of all) this.log(draw`${drawCall(host, call)}\n`)
    return { schema: 'cnilab/cni-calls/v1', host: host.name, calls: all }
  }

  /** Prints nothing, even with `--json`, where the spec wants nothing on stdout. */
  protected override logJson(document: unknown): void {
    if (document !== undefined) super.logJson(document)
  }

  /** Reports a plugin's error as the spec says; its details say what to do. */
  override catch(error: unknown): Promise<void> {
    if (!(error instanceof CniError)) return super.catch(error)
    const told = error instanceof AddError ? error.reported : error
    const { code, message, details } = told
    const more = error instanceof AddError ? `\n  ${error.aftermath}` : ''
    const fix = details === '' ? {} : { fix: details }
    if (this.jsonEnabled() && !(told instanceof UnwrittenResultError)) this.logJson(error.toJson(this.version))
    else
      printError(
        formatError({
          kind: 'state',
          message: `${message.replaceAll(BETWEEN, '\n  ')} (CNI error ${code})${more}`,
          ...fix,
          exitCode: 1,
        }),
      )
    process.exitCode ??= 1
    return Promise.resolve()
  }
}
