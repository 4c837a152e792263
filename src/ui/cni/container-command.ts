import { Flags } from '@oclif/core'
import { asAdded, type BridgeJob, readJob } from '../../cni/teacher/bridge-job.ts'
import { CODE, CniError, UnwrittenResultError } from '../../cni/protocol/error.ts'
import { LATEST } from '../../cni/protocol/versions.ts'
import { requireNamespace } from '../../cni/runtime/runtime.ts'
import { CnilabError } from '../../errors.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { quote } from '../../plan/command-line.ts'
import { BaseCommand, hostFlags } from '../terminal/base-command.ts'
import { plainFlag } from '../terminal/flags.ts'
import { word } from '../terminal/word.ts'

/** The arguments of the commands about one container on a bridge. */
export const containerArgs = {
  cid: word({ required: true, description: 'container id: the name of the container on its network' }),
  netns: word({ description: "the container's network namespace: its name, or the path of its file" }),
}

/** The flags of the commands about one container on a bridge. */
export const containerFlags = {
  ...hostFlags,
  config: Flags.string({
    description: 'file with the network, .conf or .conflist [default: mynet, 10.22.0.0/16 on cni0, masqueraded]',
  }),
  plain: plainFlag,
}

/** The flags of the commands about a container that is already attached. */
export const addedFlags = {
  ...containerFlags,
  config: Flags.string({ description: 'file with the network [default: the one that the container is attached to]' }),
}

/** The parsed arguments and flags. */
interface ParsedArguments {
  args: { cid: string; netns?: string | undefined }
  flags: { host: boolean; sandbox: string; config?: string | undefined; force?: boolean }
}

/** A command about one container on a bridge: the CNI verbs, such as `bridge add <cid> <namespace>`. */
export abstract class ContainerCommand extends BaseCommand {
  /** The CNI version for reporting an error. */
  private version: string = LATEST

  /** Reads the job; `verb` is the command's own name. Throws CnilabError `usage`. */
  protected read({ args, flags }: ParsedArguments, verb: 'add' | 'del' | 'check'): BridgeJob {
    if (args.netns === undefined)
      throw new CnilabError('usage', `bridge ${verb} takes a container id and its network namespace`, {
        fix:
          verb === 'del'
            ? `cnilab bridge del ${quote(args.cid)} NETNS removes a container; cnilab bridge delete ${quote(args.cid)} deletes a bridge of that name`
            : verb === 'add'
              ? `cnilab bridge add ${quote(args.cid)} NETNS attaches a container to a bridge; cnilab bridge create ${quote(args.cid)} creates a bridge`
              : `cnilab bridge check ${quote(args.cid)} NETNS`,
      })
    const job = readJob(args.cid, args.netns, flags.config)
    this.version = job.network.version
    return job
  }

  /** Opens the kernel of the job's host; if `required`, the container's namespace must exist. */
  protected async open({ call }: BridgeJob, { flags }: ParsedArguments, required: boolean): Promise<Kernel> {
    const host = await this.openHost(flags)
    if (required) await requireNamespace(host, call.netns)
    return kernelOf(host)
  }

  /** The job with the network that the container is attached to, unless --config names one. */
  protected async readAdded({ host }: Kernel, job: BridgeJob, { flags }: ParsedArguments): Promise<BridgeJob> {
    if (flags.config !== undefined) return job
    const added = await asAdded(host, job)
    this.version = added.network.version
    return added
  }

  /** With --json, prints an error on stdout as the CNI spec says. */
  override catch(error: unknown): Promise<void> {
    if (!this.jsonEnabled() || !(error instanceof CnilabError) || error.kind === 'usage') return super.catch(error)
    process.exitCode = error.exitCode
    if (error.cause instanceof UnwrittenResultError) {
      this.notice(error.message)
      return Promise.resolve()
    }
    const code = error.cause instanceof CniError ? error.cause.code : CODE.kernel
    this.logJson(new CniError(code, error.message, error.fix ?? '').toJson(this.version))
    return Promise.resolve()
  }
}
