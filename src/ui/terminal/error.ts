import { CnilabError } from '../../errors.ts'
import { systemError } from '../../kernel/system-error.ts'
import type { Text } from './drawn.ts'
import { style } from './style.ts'
import { draw, join } from './text.ts'

/** What the user sees of an error: what happened, the failed command, and what to do next. */
interface Shown {
  kind: string
  message: string
  command?: string
  fix?: string
  exitCode: number
}

/** What `--json` prints of an error. */
export interface ErrorDocument {
  schema: 'cnilab/error/v1'
  ok: false
  error: Omit<Shown, 'exitCode'>
}

/** An error without its exit code, as it stands in a JSON document. */
export function toJson({ exitCode: _exitCode, ...error }: Shown): ErrorDocument['error'] {
  return error
}

/** The document that a command prints with `--json` in place of its own when it fails. */
export function errorDocument(shown: Shown): ErrorDocument {
  return { schema: 'cnilab/error/v1', ok: false, error: toJson(shown) }
}

interface ZodLike {
  name: string
  issues: { message: string }[]
}

/** Told by its shape, because loading zod for it would cost more than most commands take. */
function isZodError(error: unknown): error is ZodLike {
  return error instanceof Error && error.name === 'ZodError' && 'issues' in error
}

interface OclifLike {
  message: string
  oclif: { exit?: number }
}

/** oclif's own: an unknown flag or command, a missing argument. */
function isOclifError(error: unknown): error is OclifLike {
  return error instanceof Error && 'oclif' in error
}

/** How oclif draws a part of some messages. */
// oxlint-disable-next-line no-control-regex -- colours begin with it
const DIMMED = /\x1b\[22?m/g

/** What oclif writes around the message of an error that a flag's own parser throws. */
const AROUND = /^Parsing --\S+ \n\t([^]*)\nSee more help with --help$/

/** Turns whatever was thrown into what the user sees; undefined for a deliberate exit. */
export function show(thrown: unknown): Shown | undefined {
  const error = systemError(thrown) ?? thrown
  if (error instanceof CnilabError) {
    const { kind, message, command, fix, exitCode } = error
    return {
      kind,
      message: message.replace(AROUND, '$1'),
      ...(command === undefined ? {} : { command }),
      ...(fix === undefined ? {} : { fix }),
      exitCode,
    }
  }
  if (isZodError(error)) return { kind: 'usage', message: error.issues[0]?.message ?? 'invalid value', exitCode: 2 }
  if (isOclifError(error)) {
    if (error.message.startsWith('EEXIT')) return undefined
    const message = error.message
      .replaceAll(DIMMED, '')
      .replace(/\nSee more help with --help$/, '')
      .replace(/^command (.*) not found$/, (_, id: string) => `there is no command '${id.replaceAll(':', ' ')}'`)
    return { kind: 'usage', message, fix: 'cnilab --help, or --help after a command', exitCode: error.oclif.exit ?? 2 }
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { kind: 'bug', message: `this is a fault in cnilab, please report it\n${message}`, exitCode: 1 }
}

/** The same for people, on stderr. */
export function formatError({ message, command, fix }: Shown): Text {
  const lines = [
    draw`${style.bad('Error:')} ${message}`,
    ...(command === undefined ? [] : [draw`  the command was: ${style.command(command)}`]),
    ...(fix === undefined ? [] : [`  what to do: ${fix}`]),
  ]
  return join(lines, '\n')
}
