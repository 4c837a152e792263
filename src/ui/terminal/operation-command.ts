import { Flags } from '@oclif/core'
import { doPlan, type DoResult } from '../../engine/do.ts'
import { marked } from '../../engine/marks.ts'
import { mendPlan, type MendResult, planMending, planMendingAnew } from '../../engine/mend.ts'
import { findHost, machine } from '../../engine/open-host.ts'
import { planRemoval, removeOperation } from '../../engine/remove.ts'
import { elsewhere } from '../../engine/whereabouts.ts'
import { type Kernel, kernelOf } from '../../kernel/kernel.ts'
import { type Command, readResource } from '../../operations/operation.ts'
import { type BoundOperation, bindOperation, type Operation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import { BaseCommand, type Document, changeFlags } from './base-command.ts'
import { commandLines, indented, typed } from './layout.ts'
import { symbol, style } from './style.ts'
import { draw } from './text.ts'
import { whileWaiting } from './waiting.ts'

/** What `--json` prints about operations. */
export interface OperationsDocument extends Document {
  ok: true
  /** The sandbox's name, or `machine`; missing if nothing was run. */
  host?: string
  operations: { id: string; status: Status; what: string; why?: string; commands: string[] }[]
  /** What was in the way although no operation says so, and was put right; only of `apply`. */
  corrections?: { wrong: string; commands: string[] }[]
}

type Status = DoResult['done'][number]['status'] | 'planned'

/** What is being waited for while the kernel does operations. */
const WORKING = 'changing the network'

interface ChangeFlags {
  host: boolean
  force: boolean
  sandbox: string
  'dry-run': boolean
  explain: boolean
}

/** A command that does, or undoes, one or a few operations. */
export abstract class OperationCommand extends BaseCommand {
  static override baseFlags = {
    ...changeFlags,
    'dry-run': Flags.boolean({ description: 'print the commands and run nothing', helpGroup: 'GLOBAL' }),
    explain: Flags.boolean({ description: 'say what it does and why, and run nothing', helpGroup: 'GLOBAL' }),
  }

  /** Does a plan, or just shows it with --dry-run or --explain. */
  protected async perform(plan: readonly Operation[], flags: ChangeFlags): Promise<OperationsDocument> {
    if (flags['dry-run'] && !flags.explain)
      return this.dryRun(fromNothing(flags.host ? marked(machine(flags), plan) : plan))
    return this.act(plan, flags, doPlan)
  }

  /**
   * The same, but what is something else is changed, or removed and made anew. With --dry-run it shows what that would
   * take now, or in a new sandbox.
   */
  protected async bringTo(plan: readonly Operation[], flags: ChangeFlags): Promise<OperationsDocument> {
    if (!flags['dry-run'] || flags.explain) return this.act(plan, flags, mendPlan)
    const found = findHost(flags)
    if (!found) return this.dryRun(planMendingAnew({ name: flags.sandbox, force: flags.force }, plan))
    const { done, corrections, left } = await planMending(kernelOf(found), plan)
    this.noticeLeft(left)
    return this.dryRun(done, corrections)
  }

  private async act(
    plan: readonly Operation[],
    flags: ChangeFlags,
    act: (kernel: Kernel, plan: readonly Operation[]) => Promise<DoResult & Partial<MendResult>>,
  ): Promise<OperationsDocument> {
    if (flags.explain) return this.explain(fromNothing(plan))
    const host = await this.openHost(flags)
    const result = await whileWaiting(WORKING, false, act(kernelOf(host), plan))
    const { done, corrections = [], left = [] } = result
    for (const { wrong, commands } of corrections) {
      this.log(draw`${symbol.done} Put right: ${wrong}`)
      this.logCommands(commands)
    }
    for (const one of done) this.report(one)
    this.noticeLeft(left)
    return {
      schema,
      ok: true,
      host: host.name,
      operations: done.map(({ operation, status, commands }) => row(operation, status, commands)),
      ...correctionRows(corrections),
    }
  }

  /** Says what stays in the way, because it is not ours to change. */
  private noticeLeft(left: MendResult['left']): void {
    for (const { wrong } of left) this.notice(`left as it is, because cnilab did not make it: ${wrong}`)
  }

  private logCommands(commands: readonly Command[]): void {
    for (const command of commands) this.log(typed(toLine(command, '1')))
  }

  /** Undoes one operation, or just shows how with --dry-run or --explain. */
  protected async undo(operation: Operation, flags: ChangeFlags): Promise<OperationsDocument> {
    const bound = bindOperation(operation)
    const what = bound.explain.undoing
    if (flags.explain || flags['dry-run']) {
      const found = findHost(flags)
      const { commands } = found ? await planRemoval(kernelOf(found), operation) : { commands: [] }
      return flags.explain
        ? this.explain([{ operation: bound, commands }], what)
        : this.dryRun([{ operation: bound, commands }])
    }
    const host = await this.openHost(flags)
    const kernel = kernelOf(host)
    const commands = await whileWaiting(WORKING, false, removeOperation(kernel, operation))
    const status = commands.length > 0 ? 'done' : 'already'
    this.log(
      status === 'done' ? draw`${symbol.done} ${what}` : draw`${symbol.already} Does not exist, nothing to do: ${what}`,
    )
    const [missing] = [...bound.provides, ...bound.needs].filter((one) => readResource(one).what === 'link')
    const other = status === 'already' && missing !== undefined ? await elsewhere(kernel, missing) : undefined
    if (other) this.notice(`${other.words}: ${other.fix}`)
    this.logCommands(commands)
    return { schema, ok: true, host: host.name, operations: [{ ...row(bound, status, commands), what }] }
  }

  private report({ operation: { explain, expected }, status, commands }: DoResult['done'][number]): void {
    const what = status === 'mended' ? `Changed: ${expected}` : explain.what
    this.log(status === 'already' ? draw`${symbol.already} Already there: ${expected}` : draw`${symbol.done} ${what}`)
    this.logCommands(commands)
  }

  /** With `undoing`, in these words, the commands are those that undo: an operation that is only named to be undone need not say all. */
  private explain(planned: readonly Planned[], undoing?: string): OperationsDocument {
    for (const { operation, commands } of planned) {
      const { what, why } = operation.explain
      this.log(draw`${style.title(undoing ?? what)}\n${indented(why, 2)}`)
      this.logCommands(commands)
      const { iptables } = operation.explain
      if (iptables !== undefined && undoing === undefined)
        this.log(draw`  ${style.quiet('With iptables instead:')}\n${typed(iptables)}`)
    }
    return {
      schema,
      ok: true,
      operations: planned.map(({ operation, commands }) => ({
        ...row(operation, 'planned', commands),
        ...(undoing === undefined ? {} : { what: undoing }),
        why: operation.explain.why,
      })),
    }
  }

  private dryRun(planned: readonly Planned[], corrections: MendResult['corrections'] = []): OperationsDocument {
    const all = [...corrections, ...planned].flatMap(({ commands }) => commands)
    for (const command of all) this.log(commandLines(toLine(command, '1'), 0))
    if (all.length === 0) this.notice('nothing to do')
    return {
      schema,
      ok: true,
      operations: planned.map(({ operation, status, commands }) =>
        row(operation, status === 'already' ? status : 'planned', commands),
      ),
      ...correctionRows(corrections),
    }
  }
}

/** What --dry-run shows of an operation. */
type Planned = Pick<DoResult['done'][number], 'operation' | 'commands'> & { status?: Status }

/** What a plan takes where nothing of it is there. */
function fromNothing(plan: readonly Operation[]): Planned[] {
  return plan.map(bindOperation).map((operation) => ({ operation, commands: operation.apply }))
}

const schema = 'cnilab/operations/v1'

function correctionRows(corrections: MendResult['corrections']): Pick<OperationsDocument, 'corrections'> {
  if (corrections.length === 0) return {}
  const lines = (commands: readonly Command[]) => commands.map((command) => toLine(command, '1'))
  return { corrections: corrections.map(({ wrong, commands }) => ({ wrong, commands: lines(commands) })) }
}

function row(
  { id, explain }: BoundOperation,
  status: Status,
  commands: readonly Command[],
): OperationsDocument['operations'][number] {
  return { id, status, what: explain.what, commands: commands.map((command) => toLine(command, '1')) }
}
