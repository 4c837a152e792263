import { Command, Flags } from '@oclif/core'
import { type Opened, openHost } from '../engine/open-host.ts'
import { CnilabError } from '../errors.ts'
import { formatError, show } from './error.ts'
import { style } from './style.ts'

/** What a command returns is what `--json` prints: one document that names its schema. */
export interface Document {
  schema: string
}

/** The flag that every command has besides `--json`. */
const sandboxFlag = Flags.string({
  description: 'sandbox to act in',
  default: 'default',
  env: 'CNILAB_SANDBOX',
  helpGroup: 'GLOBAL',
})

/** The flags of every command that may act on the machine. */
export const hostFlags = {
  host: Flags.boolean({
    description: 'act on this machine itself instead of a sandbox; needs root',
    helpGroup: 'GLOBAL',
  }),
  sandbox: sandboxFlag,
}

/** What all commands have in common: how they show results and errors. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  /** A line about what happens besides the result; it never mixes with it. */
  protected notice(text: string): void {
    process.stderr.write(`${style.quiet(text)}\n`)
  }

  /** Opens where to act, and says so if a sandbox had to be made. */
  protected async openHost(flags: { host: boolean; sandbox: string }): Promise<Opened> {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/.test(flags.sandbox))
      throw new CnilabError(
        'usage',
        `'${flags.sandbox}' is not a sandbox name: letters, digits, _ . - and at most 64 of them, for example: --sandbox blue`,
      )
    const opened = await openHost(flags)
    if (opened.created) this.notice(`sandbox '${flags.sandbox}' started · cnilab clean removes it`)
    return opened
  }

  override async catch(error: unknown): Promise<void> {
    const shown = show(error)
    if (!shown) throw error
    const { exitCode, ...rest } = shown
    if (this.jsonEnabled()) this.logJson({ schema: 'cnilab/error/v1', ok: false, error: rest })
    else process.stderr.write(formatError(shown))
    process.exitCode = exitCode
    await Promise.resolve()
  }
}
