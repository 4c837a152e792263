import { Flags } from '@oclif/core'
import { asAdded, type BridgeJob, readJob } from '../../cni/teacher/bridge-job.ts'
import { CODE, CniError, Untold } from '../../cni/protocol/error.ts'
import { LATEST } from '../../cni/protocol/versions.ts'
import { requireNamespace } from '../../cni/runtime/runtime.ts'
import { CnilabError } from '../../errors.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { quote } from '../../plan/command-line.ts'
import { BaseCommand, hostFlags } from '../terminal/base-command.ts'
import { plainFlag } from '../terminal/flags.ts'
import { word } from '../terminal/word.ts'

/** The arguments of the commands that concern one container on a bridge. */
export const containerArgs = {
  cid: word({ required: true, description: 'container id: what the container is called on its network' }),
  netns: word({ description: "the container's network namespace: its name, or the path of its file" }),
}

export const containerFlags = {
  ...hostFlags,
  config: Flags.string({
    description: 'file with the network, .conf or .conflist [default: mynet, 10.22.0.0/16 on cni0, masqueraded]',
  }),
  plain: plainFlag,
}

/** The same for what concerns a container that is on its network. */
export const addedFlags = {
  ...containerFlags,
  config: Flags.string({ description: 'file with the network [default: the one that the container was put on]' }),
}

/** What was typed for a container. */
interface Typed {
  args: { cid: string; netns?: string | undefined }
  flags: { host: boolean; sandbox: string; config?: string | undefined; force?: boolean }
}

/** A command that concerns one container on a bridge: the CNI verbs of `bridge add <cid> <namespace>`. */
export abstract class ContainerCommand extends BaseCommand {
  /** The version in which an error is reported. */
  private version: string = LATEST

  /** Reads what was typed; `verb` is the command's own. Throws CnilabError `usage`. */
  protected read({ args, flags }: Typed, verb: 'add' | 'del' | 'check'): BridgeJob {
    if (args.netns === undefined)
      throw new CnilabError('usage', `bridge ${verb} takes a container id and its network namespace`, {
        fix:
          verb === 'del'
            ? `cnilab bridge del ${quote(args.cid)} NETNS takes a container off; cnilab bridge delete ${quote(args.cid)} deletes a bridge of that name`
            : verb === 'add'
              ? `cnilab bridge add ${quote(args.cid)} NETNS puts a container on a bridge; cnilab bridge create ${quote(args.cid)} makes a bridge`
              : `cnilab bridge check ${quote(args.cid)} NETNS`,
      })
    const job = readJob(args.cid, args.netns, flags.config)
    this.version = job.network.version
    return job
  }

  /** Opens where the job is to be done; its namespace must be there if `required`. */
  protected async open({ call }: BridgeJob, { flags }: Typed, required: boolean): Promise<Kernel> {
    const host = await this.openHost(flags)
    if (required) await requireNamespace(host, call.netns)
    return kernelOf(host)
  }

  /** The job as `bridge add` did it, if no --config says which network is meant. */
  protected async readAdded({ host }: Kernel, job: BridgeJob, { flags }: Typed): Promise<BridgeJob> {
    if (flags.config !== undefined) return job
    const added = await asAdded(host, job)
    this.version = added.network.version
    return added
  }

  /** With --json, an error is what the CNI spec says, on stdout. */
  override catch(error: unknown): Promise<void> {
    if (!this.jsonEnabled() || !(error instanceof CnilabError) || error.kind === 'usage') return super.catch(error)
    process.exitCode = error.exitCode
    if (error.cause instanceof Untold) {
      this.notice(error.message)
      return Promise.resolve()
    }
    const code = error.cause instanceof CniError ? error.cause.code : CODE.kernel
    this.logJson(new CniError(code, error.message, error.fix ?? '').toJson(this.version))
    return Promise.resolve()
  }
}
