import type { Result } from './result.ts'
import type { Version } from './versions.ts'

export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'] as const
export type CniCommand = (typeof COMMANDS)[number]

/** One interface of one container on one network (CNI spec 1.1.0, "attachment"). */
export interface Attachment {
  network: string
  containerId: string
  ifname: string
}

/** A call of a plugin, read from its environment and its standard input. */
export interface Call extends Attachment {
  /** Path of the network namespace; '' where the runtime gave none (DEL may lack it). */
  netns: string
  /** CNI_ARGS: `IP`, `MAC`, and whatever a runtime passes. */
  args: Readonly<Record<string, string>>
  /** The folders of CNI_PATH. */
  path: readonly string[]
  /** The version that the configuration asks for. */
  version: Version
  /** The whole configuration, as JSON: of the network, or of the plugin in a chain. */
  config: Readonly<Record<string, unknown>>
  /** What the plugins before this one made, or, for CHECK and DEL, what the whole chain made. */
  prevResult: Result | undefined
}

/** The attachments that GC is to leave alone. */
export type ValidAttachments = readonly Pick<Attachment, 'containerId' | 'ifname'>[]

/**
 * A kind of CNI plugin, `bridge` or `host-local`. Each member does one command of the spec and throws CniError. IPAM
 * plugins are of the same kind; their result has no interfaces.
 */
export interface PluginType {
  /**
   * Makes the attachment; after an error nothing of it is left. Where something is made, `tell` is told the
   * result as the last step; it throws if nobody can be told.
   */
  add: (call: Call, tell?: (result: Result) => void) => Promise<Result>
  /** Takes all of it away that is there. Best effort; succeeds when it is gone already. */
  del: (call: Call) => Promise<void>
  /** Throws CniError `differs` unless everything is as ADD made it. */
  check: (call: Call) => Promise<void>
  /** Removes all that belongs to this network and not to these attachments; `call` has no container. */
  gc: (call: Call, valid: ValidAttachments) => Promise<void>
  /** Throws CniError `unavailable` if an ADD could not work now. `call` has no container. */
  status: (call: Call) => Promise<void>
}
