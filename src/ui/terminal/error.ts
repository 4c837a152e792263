import { CnilabError } from '../../errors.ts'
import { systemError } from '../../kernel/system-error.ts'
import type { Text } from './drawn.ts'
import { typed } from './layout.ts'
import { style } from './style.ts'
import { draw, join } from './text.ts'

/** An error as the user sees it: what happened, the failed command, and what to do next. */
interface Shown {
  kind: string
  message: string
  command?: string
  fix?: string
  exitCode: number
}

/** What `--json` prints for an error. */
export interface ErrorDocument {
  schema: 'cnilab/error/v1'
  ok: false
  error: Omit<Shown, 'exitCode'>
}

/** An error as in a JSON document, without its exit code. */
export function toJson({ exitCode: _exitCode, ...error }: Shown): ErrorDocument['error'] {
  return error
}

/** The document that a failed command prints with `--json`. */
export function errorDocument(shown: Shown): ErrorDocument {
  return { schema: 'cnilab/error/v1', ok: false, error: toJson(shown) }
}

interface ZodLike {
  name: string
  issues: { message: string }[]
}

/** Recognises a ZodError by its shape: loading zod would take longer than most commands. */
function isZodError(error: unknown): error is ZodLike {
  return error instanceof Error && error.name === 'ZodError' && 'issues' in error
}

interface OclifLike {
  message: string
  oclif: { exit?: number }
}

/** Whether it is oclif's error: an unknown flag or command, a missing argument. */
function isOclifError(error: unknown): error is OclifLike {
  return error instanceof Error && 'oclif' in error
}

/** The escape sequences in some of oclif's messages. */
// oxlint-disable-next-line no-control-regex -- colours begin with it
const DIMMED = /\x1b\[22?m/g

/** What oclif wraps around the message of an error from a flag's parser. */
const AROUND = /^Parsing --\S+ \n\t([^]*)\nSee more help with --help$/

/** Converts anything that was thrown for the user; undefined for a deliberate exit. */
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
  return { kind: 'bug', message: `this is a bug in cnilab, please report it\n${message}`, exitCode: 1 }
}

/** An error as text for people. */
export function formatError({ message, command, fix }: Shown): Text {
  const lines = [
    draw`${style.bad('Error:')} ${message}`,
    ...(command === undefined ? [] : [draw`  the command was:\n${typed(command, 4)}`]),
    ...(fix === undefined ? [] : [`  what to do: ${fix}`]),
  ]
  return join(lines, '\n')
}
