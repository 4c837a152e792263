/** The kind of a failure, which decides the exit code. */
export type ErrorKind = 'state' | 'usage' | 'machine' | 'interrupted'

const exitCodes: Record<ErrorKind, number> = { state: 1, usage: 2, machine: 3, interrupted: 130 }

/** The optional parts of an error: what it means, the failed command (ready to paste), and what to do next. */
export interface ErrorDetails {
  command?: string
  fix?: string
  /** The error that it was made from. */
  cause?: unknown
}

/**
 * An error that the user can act on. `kind` says where the fault lies:
 * - `state`: the kernel or the state of the lab refuses (exit 1)
 * - `usage`: wrong whatever the state: a name, an address, a flag, a lab file (exit 2)
 * - `machine`: this machine lacks something; `cnilab doctor` finds out what (exit 3)
 * - `interrupted`: the user stopped it (exit 130)
 */
export class CnilabError extends Error {
  readonly kind: ErrorKind
  readonly command: string | undefined
  readonly fix: string | undefined

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'CnilabError'
    this.kind = kind
    this.command = details.command
    this.fix = details.fix
  }

  get exitCode(): number {
    return exitCodes[this.kind]
  }
}
