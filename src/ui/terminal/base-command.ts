import { existsSync } from 'node:fs'
import { Command, Flags } from '@oclif/core'
import { openHost } from '../../engine/open-host.ts'
import { CnilabError } from '../../errors.ts'
import { progressFileOf } from '../../lab/run/progress-file.ts'
import { onWaiting } from '../../kernel/lock.ts'
import { DEFAULT_SANDBOX, flagsFor, type Host, MACHINE } from '../../kernel/host.ts'
import type { Printable } from './drawn.ts'
import { errorDocument, formatError, show } from './error.ts'
import { print, printJson, printError } from './output.ts'
import { style } from './style.ts'
import { OPENING, whileWaiting } from './waiting.ts'

/** What a command returns, and `--json` prints: a document that names its schema. */
export interface Document {
  schema: string
}

/** Parses a sandbox's name, which becomes part of a directory's. */
function sandboxName(name: string): Promise<string> {
  if (name !== MACHINE.name && /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/.test(name)) return Promise.resolve(name)
  throw new CnilabError(
    'usage',
    `'${name}' is not a sandbox name: letters, digits, _ . - and at most 64 of them, for example: --sandbox blue`,
  )
}

/** The flags of every command that may act on the machine. */
export const hostFlags = {
  host: Flags.boolean({
    description: 'act on this machine itself instead of a sandbox; needs root',
    helpGroup: 'GLOBAL',
  }),
  sandbox: Flags.string({
    description: 'sandbox to act in',
    default: DEFAULT_SANDBOX,
    env: 'CNILAB_SANDBOX',
    helpGroup: 'GLOBAL',
    parse: sandboxName,
  }),
}

/** The flags of every command that may change the machine. */
export const changeFlags = {
  ...hostFlags,
  force: Flags.boolean({
    description: 'do it even if it cuts off the machine from the network, or from your terminal',
    helpGroup: 'GLOBAL',
  }),
}

/** The flag of commands that run the user's programs in a sandbox. */
export const bindFlag = Flags.string({
  multiple: true,
  multipleNonGreedy: true,
  helpValue: 'DIR',
  description:
    'folder of this machine to show in the sandbox, read-only, once or more; only when the sandbox is created',
})

/** The base of all commands: how they show results and errors. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  protected override async init(): Promise<void> {
    await super.init()
    onWaiting((words) => this.notice(words))
  }

  /** Prints a part of the result, for people; with --json, the document is printed instead. */
  override log(text: Printable = ''): void {
    if (!this.jsonEnabled()) print(text)
  }

  /** Prints a line about anything but the result, on stderr, so that the two never mix. */
  protected notice(text: string): void {
    printError(style.quiet(text))
  }

  /** Opens the host, and says so if a sandbox had to be created. */
  protected async openHost(flags: Parameters<typeof openHost>[0]): Promise<Host> {
    const { host, state } = await whileWaiting(OPENING, false, openHost(flags))
    if (state === 'created again') this.notice(`sandbox '${host.name}' had died, and everything in it is gone`)
    if (state !== 'found') this.notice(`sandbox '${host.name}' started · cnilab clean removes it`)
    if (state !== 'found' && existsSync(progressFileOf(host.name)))
      this.notice(
        `a lab was in progress in a sandbox of that name: cnilab lab start --resume${flagsFor(host)} rebuilds it as far as you had come`,
      )
    return host
  }

  /** oclif's own version parses the text again to colour it: 100 MB for a thousand containers. */
  protected override logJson(document: unknown): void {
    printJson(document)
  }

  override catch(error: unknown): Promise<void> {
    const shown = show(error)
    if (!shown) throw error
    this.parsed = true // with NODE_ENV=test or development, oclif would complain that it is not
    if (this.jsonEnabled()) this.logJson(errorDocument(shown))
    else printError(formatError(shown))
    process.exitCode = shown.exitCode
    return Promise.resolve()
  }
}
