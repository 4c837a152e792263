/** Error codes of the CNI spec 1.1.0, section "Error", and from 100 on our own. */
export const CODE = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  netns: 8,
  /** The plugin cannot serve ADD: no address is left, say (STATUS). */
  unavailable: 50,
  /** The kernel refused. */
  kernel: 100,
  /** The interface, or an address of the container, is there already. */
  exists: 101,
  /** CHECK found something else than what ADD made. */
  differs: 102,
  /** No address is left, or the one asked for is taken. */
  noAddress: 103,
  /** A program that the plugin needs is not installed. */
  missingTool: 104,
  /** A plugin that this one calls ended without a result or an error that can be read. */
  delegate: 105,
  /** A fault in the plugin itself. */
  bug: 199,
} as const

/**
 * An error as a CNI plugin reports it: `message` says in one line what happened, `details` what it means and what to do
 * next. `code` is one of the spec's, or from 100 on our own.
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

  /** The JSON object that goes to stdout (CNI spec 1.1.0, section "Error"). */
  toJson(cniVersion: string): { cniVersion: string; code: number; msg: string; details?: string } {
    return {
      cniVersion,
      code: this.code,
      msg: this.message,
      ...(this.details === '' ? {} : { details: this.details }),
    }
  }
}

/** The result of ADD could not be written to standard output. The caller undoes it; stderr is left to say so. */
export class Untold extends CniError {
  constructor(why: string) {
    super(
      CODE.io,
      `the result could not be written to standard output (${why}), and all that was made is taken back`,
      'a container whose result nobody knows would be lost: see who reads it, or whether the disk is full',
    )
  }
}
