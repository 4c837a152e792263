import { Flags } from '@oclif/core'
import { doPlan, type DoResult } from '../../engine/do.ts'
import { mendPlan, planMending } from '../../engine/mend.ts'
import { findHost } from '../../engine/open-host.ts'
import { planRemoval, removeOperation } from '../../engine/remove.ts'
import { elsewhere } from '../../engine/whereabouts.ts'
import { kernelOf } from '../../kernel/kernel.ts'
import { type Command, readResource } from '../../operations/operation.ts'
import { type BoundOperation, bindOperation, type Operation } from '../../operations/registry.ts'
import { toLine } from '../../plan/command-line.ts'
import { BaseCommand, type Document, changeFlags } from './base-command.ts'
import { symbol, style } from './style.ts'
import { draw } from './text.ts'

/** What `--json` prints about operations. */
export interface OperationsDocument extends Document {
  ok: true
  /** The sandbox's name, or `machine`; missing if nothing was run. */
  host?: string
  operations: { id: string; status: Status; what: string; why?: string; commands: string[] }[]
}

type Status = DoResult['done'][number]['status'] | 'planned'

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
    if (flags['dry-run'] && !flags.explain) return this.dryRun(fromNothing(plan))
    return this.act(plan, flags, doPlan)
  }

  /**
   * The same, but what is something else is changed, or removed and made anew. With --dry-run it shows what that would
   * take now; where there is no sandbox, all of it.
   */
  protected async bringTo(plan: readonly Operation[], flags: ChangeFlags): Promise<OperationsDocument> {
    if (!flags['dry-run'] || flags.explain) return this.act(plan, flags, mendPlan)
    const found = findHost(flags)
    return this.dryRun(found ? (await planMending(kernelOf(found), plan)).done : fromNothing(plan))
  }

  private async act(plan: readonly Operation[], flags: ChangeFlags, act: typeof doPlan): Promise<OperationsDocument> {
    if (flags.explain) return this.explain(fromNothing(plan))
    const host = await this.openHost(flags)
    const { done } = await act(kernelOf(host), plan)
    for (const one of done) this.report(one)
    return {
      schema,
      ok: true,
      host: host.name,
      operations: done.map(({ operation, status, commands }) => row(operation, status, commands)),
    }
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
    const commands = await removeOperation(kernel, operation)
    const status = commands.length > 0 ? 'done' : 'already'
    this.log(
      status === 'done' ? draw`${symbol.done} ${what}` : draw`${symbol.already} Does not exist, nothing to do: ${what}`,
    )
    const [missing] = [...bound.provides, ...bound.needs].filter((one) => readResource(one).what === 'link')
    const other = status === 'already' && missing !== undefined ? await elsewhere(kernel, missing) : undefined
    if (other) this.notice(`${other.words}: ${other.fix}`)
    for (const command of commands) this.log(draw`  ${style.command(toLine(command, '1'))}`)
    return { schema, ok: true, host: host.name, operations: [{ ...row(bound, status, commands), what }] }
  }

  private report({ operation: { explain, expected }, status, commands }: DoResult['done'][number]): void {
    const what = status === 'mended' ? `Changed: ${expected}` : explain.what
    this.log(status === 'already' ? draw`${symbol.already} Already there: ${expected}` : draw`${symbol.done} ${what}`)
    for (const command of commands) this.log(draw`  ${style.command(toLine(command, '1'))}`)
  }

  /** With `undoing`, in these words, the commands are those that undo: an operation that is only named to be undone need not say all. */
  private explain(planned: readonly Planned[], undoing?: string): OperationsDocument {
    for (const { operation, commands } of planned) {
      const { what, why } = operation.explain
      this.log(draw`${style.title(undoing ?? what)}\n  ${why}`)
      for (const command of commands) this.log(draw`  ${style.command(toLine(command, '1'))}`)
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

  private dryRun(planned: readonly Planned[]): OperationsDocument {
    for (const { commands } of planned) for (const command of commands) this.log(toLine(command, '1'))
    return {
      schema,
      ok: true,
      operations: planned.map(({ operation, status, commands }) =>
        row(operation, status === 'already' ? status : 'planned', commands),
      ),
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

function row(
  { id, explain }: BoundOperation,
  status: Status,
  commands: readonly Command[],
): OperationsDocument['operations'][number] {
  return { id, status, what: explain.what, commands: commands.map((command) => toLine(command, '1')) }
}
