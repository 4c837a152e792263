/** Error codes of the CNI spec 1.1.0, section "Error"; those from 100 are our own. */
export const CODE = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  netns: 8,
  /** The plugin cannot serve ADD, because no address is left, say (STATUS). */
  unavailable: 50,
  /** The kernel refused. */
  kernel: 100,
  /** The interface, or an address of the container, already exists. */
  exists: 101,
  /** CHECK found a difference from what ADD made. */
  differs: 102,
  /** No address is left, or the requested one is taken. */
  noAddress: 103,
  /** A program that the plugin needs is not installed. */
  missingTool: 104,
  /** A plugin that this one calls ended without a readable result or error. */
  delegate: 105,
  /** A bug in the plugin itself. */
  bug: 199,
} as const

/**
 * An error as a CNI plugin reports it: `message` says in one line what happened, `details` what it means and what to do next.
 */
export class CniError extends Error {
  readonly code: number
  readonly details: string

  constructor(code: number, message: string, details = '') {
    super(message)
    this.name = 'CniError'
    this.code = code
    this.details = details
  }

  /** The JSON object for stdout (CNI spec 1.1.0, section "Error"). */
  toJson(cniVersion: string): { cniVersion: string; code: number; msg: string; details?: string } {
    return {
      cniVersion,
      code: this.code,
      msg: this.message,
      ...(this.details === '' ? {} : { details: this.details }),
    }
  }
}

/** The error if the result of ADD could not be written to standard output. The caller undoes ADD; only stderr is left to say so. */
export class UnwrittenResultError extends CniError {
  constructor(why: string) {
    super(
      CODE.io,
      `could not write the result to standard output (${why}); everything was undone`,
      'a container whose result nobody knows would be lost: check who reads it, or whether the disk is full',
    )
  }
}
