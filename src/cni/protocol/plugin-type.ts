import type { Result } from './result.ts'
import type { Version } from './versions.ts'

/** What CNI_COMMAND may be (CNI spec 1.1.0, "CNI operations"). */
export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
/** One of the commands that a runtime may give to a plugin. */
export type CniCommand = (typeof COMMANDS)[number]

/** One interface of one container on one network (CNI spec 1.1.0, "attachment"). */
export interface Attachment {
  network: string
  containerId: string
  ifname: string
}

/** A call of a plugin, read from its environment and its standard input. */
export interface Call extends Attachment {
  /** Path of the network namespace; '' if the runtime gave none, as it may for DEL. */
  netns: string
  /** CNI_ARGS: `IP`, `MAC`, and whatever else a runtime passes. */
  args: Readonly<Record<string, string>>
  /** The folders of CNI_PATH. */
  path: readonly string[]
  /** The version that the configuration asks for. */
  version: Version
  /** The whole configuration, as JSON: of the network, or of the plugin in a chain. */
  config: Readonly<Record<string, unknown>>
  /** The result of the plugins before this one, or, for CHECK and DEL, of the whole chain. */
  prevResult: Result | undefined
}

/** The attachments that GC must leave alone. */
export type ValidAttachments = readonly Pick<Attachment, 'containerId' | 'ifname'>[]

/**
 * A type of CNI plugin, such as `bridge` or `host-local`. Each member implements one command of the spec and throws CniError.
 * The result of an IPAM plugin has no interfaces.
 */
export interface PluginType {
  /**
   * Makes the attachment; after an error, nothing of it is left. A plugin that makes anything must pass its result to `deliver`
   * as the last step, and undo it if `deliver` throws because nobody reads the result.
   */
  add: (call: Call, deliver?: (result: Result) => void) => Promise<Result>
  /** Removes whatever exists of the attachment. Best effort; succeeds if it is already gone. */
  del: (call: Call) => Promise<void>
  /** Throws CniError `differs` unless everything is still as ADD made it. */
  check: (call: Call) => Promise<void>
  /** Removes everything of this network that belongs to none of these attachments; `call` has no container. */
  gc: (call: Call, valid: ValidAttachments) => Promise<void>
  /** Throws CniError `unavailable` if an ADD could not work now. `call` has no container. */
  status: (call: Call) => Promise<void>
}
