import * as z from 'zod'

/** What undo needs to know about the state before an operation, and about what it created. Kept in the journal. */
export const beforeSchema = z.object({
  /** The interface was already up. */
  up: z.boolean().optional(),
  /** What an interface was like. */
  settings: z
    .object({
      mac: z.string(),
      mtu: z.number(),
      promiscuous: z.boolean(),
      allMulticast: z.boolean(),
      queueLength: z.number(),
    })
    .optional(),
  /** The sysctl's value. */
  value: z.string().optional(),
  /** The previous values of sysctls that the kernel rewrites along with it. */
  alongside: z.record(z.string(), z.string()).optional(),
  /** Inode and creation time of the namespace that was created: the kernel reuses inodes (see `Namespace`). */
  inode: z.number().optional(),
  since: z.number().optional(),
  /** When we were about to create a namespace, in milliseconds since the epoch. */
  intended: z.number().optional(),
  /** On the machine: how to recognise the interface that was changed (src/operations/same-link.ts). */
  link: z.object({ index: z.number().optional(), mac: z.string() }).optional(),
  /** On the machine: undo only what is exactly as we created it. */
  strict: z.boolean().optional(),
})

/**
 * The identity of an interface that we create on the machine itself. The creating command sets the MAC, the next one the
 * alias: there we only ever delete what has the journal's MAC. `owner` is the CNI attachment from which MACs and names
 * derive, as `network/container/interface`.
 */
export const markSchema = z.object({ mac: z.string(), peerMac: z.string().optional(), owner: z.string().optional() })
