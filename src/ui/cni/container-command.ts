import { Flags } from '@oclif/core'
import { type Fit, meaningOf } from '../../cni/containers/find.ts'
import { noneFits, onlyOnMachine, severalFit, silence } from '../../cni/containers/refusals.ts'
import { asAdded, type BridgeJob, inNetns, lastNetns, readJob } from '../../cni/teacher/bridge-job.ts'
import { CODE, CniError, UnwrittenResultError } from '../../cni/protocol/error.ts'
import { LATEST } from '../../cni/protocol/versions.ts'
import { netnsPath } from '../../cni/runtime/request.ts'
import { requireNamespace } from '../../cni/runtime/runtime.ts'
import { CnilabError } from '../../errors.ts'
import { interfacesAt } from '../../kernel/host-files.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { quote } from '../../plan/command-line.ts'
import { BaseCommand, hostFlags } from '../terminal/base-command.ts'
import { plainFlag } from '../terminal/flags.ts'
import { word } from '../terminal/word.ts'

/** The arguments of the commands about one container on a bridge. */
export const containerArgs = {
  cid: word({ required: true, description: 'container id: the name of the container on its network' }),
  netns: word({
    description:
      "the container's network namespace: its name, the path of its file, a process in it, or with --host the name or id of a container of Docker, podman, containerd or Kubernetes [default: what CID names]",
  }),
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
  flags: { host: boolean; sandbox: string; config?: string | undefined; force?: boolean; plain: boolean }
}

/** What such a command does with the container. */
type Verb = 'add' | 'del' | 'check'

/** A command about one container on a bridge: the CNI verbs, such as `bridge add <cid> <namespace>`. */
export abstract class ContainerCommand extends BaseCommand {
  /** The CNI version for reporting an error. */
  private version: string = LATEST

  /** Reads the job, with the namespace as it was typed. Throws CnilabError `usage`. */
  protected read({ args, flags }: ParsedArguments): BridgeJob {
    const job = readJob(args.cid, args.netns ?? args.cid, flags.config)
    this.version = job.network.version
    return job
  }

  /** Opens the kernel of the job's host, and finds the namespace that was meant; only DEL does without one. Throws CnilabError. */
  protected async open(
    job: BridgeJob,
    typed: ParsedArguments,
    verb: Verb,
  ): Promise<{ kernel: Kernel; job: BridgeJob }> {
    const host = await this.openHost(typed.flags)
    const netns = await this.findNetns(host, typed, verb)
    if (verb !== 'del') await requireNamespace(host, netns)
    return { kernel: kernelOf(host), job: inNetns(job, netns) }
  }

  /** The path of the namespace that NETNS means, or CID in its place. Throws CnilabError. */
  protected async findNetns(host: Host, { args, flags }: ParsedArguments, verb: Verb): Promise<string> {
    const name = args.netns ?? args.cid
    const meaning = await meaningOf(host, name)
    const [first, ...others] = meaning.fits
    if (first) {
      const chosen = others.length === 0 ? first : await this.ask(host, args.cid, name, meaning.fits, verb, flags.plain)
      const isAsTyped = args.netns !== undefined && chosen.netns === netnsPath(name)
      if (!isAsTyped || others.length > 0) this.notice(`${name} is ${chosen.what}: ${chosen.netns}`)
      for (const one of meaning.silent) this.notice(silence(one))
      return chosen.netns
    }
    const isKnown = meaning.hosts.length > 0 || meaning.without.length > 0
    if (verb === 'del' && meaning.hosts.length === 0) {
      const last = await lastNetns(host, args.cid)
      if (last === undefined && args.netns === undefined && host.kind === 'sandbox') throw withoutNetns(args.cid, verb)
      return last ?? netnsPath(name)
    }
    if (!isKnown) {
      const elsewhere = await onlyOnMachine(host, name)
      if (elsewhere) throw elsewhere
      if (args.netns === undefined && host.kind === 'sandbox') throw withoutNetns(args.cid, verb)
      // Something else may be in its place.
      if (host.kind === 'sandbox' || name.includes('/') || (await interfacesAt(host, netnsPath(name))) !== undefined)
        return netnsPath(name)
    }
    throw noneFits(name, meaning)
  }

  /** Asks which of several namespaces is meant. Throws CnilabError `usage`, with all of them, where nobody can be asked. */
  private async ask(
    host: Host,
    cid: string,
    name: string,
    fits: readonly Fit[],
    verb: Verb,
    plain: boolean,
  ): Promise<Fit> {
    if (this.jsonEnabled() || !process.stdin.isTTY || !process.stdout.isTTY)
      throw severalFit(name, fits, (netns) => `cnilab bridge ${verb} ${quote(cid)} ${quote(netns)}${flagsFor(host)}`)
    const { askChoice } = await import('../terminal/prompts.ts')
    const choices = fits.map((one) => ({ name: `${one.what}: ${one.netns}`, value: one }))
    const chosen = await askChoice(`Which network namespace is meant by ${name}?`, choices, { plain })
    if (!chosen) throw new CnilabError('interrupted', 'interrupted')
    return chosen
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

/** The error for a container id alone that is no namespace's name: perhaps a command about bridges was meant. */
function withoutNetns(cid: string, verb: Verb): CnilabError {
  const fixes: Record<Verb, string> = {
    add: `cnilab bridge add ${quote(cid)} NETNS attaches a container to a bridge; cnilab bridge create ${quote(cid)} creates a bridge`,
    del: `cnilab bridge del ${quote(cid)} NETNS removes a container; cnilab bridge delete ${quote(cid)} deletes a bridge of that name`,
    check: `cnilab bridge check ${quote(cid)} NETNS`,
  }
  return new CnilabError(
    'usage',
    `bridge ${verb} takes a container id and its network namespace, and there is no namespace ${cid}`,
    { fix: fixes[verb] },
  )
}
