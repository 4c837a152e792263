import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson } from '../../state/json.ts'
import { CODE, CniError } from '../protocol/error.ts'

const schema = z.array(
  z.object({
    addr_info: z
      .array(z.object({ local: z.string().optional(), tentative: z.boolean(), dadfailed: z.boolean() }).partial())
      .default([]),
  }),
)

/** How long to wait for the kernel, which takes up to 2 s, and how long between two looks, in milliseconds. */
const TIME_LIMIT = 10_000
const PAUSE = 50

/**
 * Waits until the kernel has finished duplicate detection for an interface's IPv6 addresses, which are not usable before
 * (RFC 4862, section 5.4). Throws CniError `exists` if there is a duplicate, or if it takes too long.
 */
export async function awaitDuplicateDetection(
  kernel: Kernel,
  ifname: string,
  netns: string | undefined,
): Promise<void> {
  for (const last = Date.now() + TIME_LIMIT; ;) {
    const { code, stdout } = await kernel.probe(['ip', '-j', '-6', 'address', 'show', 'dev', ifname], netns)
    const addresses = (code === 0 ? readJson('ip -j -6 address show', stdout, schema) : []).flatMap(
      (link) => link.addr_info,
    )
    const taken = addresses.find(({ dadfailed }) => dadfailed === true)
    if (taken)
      throw new CniError(
        CODE.exists,
        `another machine or container already has the address ${taken.local}`,
        '"enabledad": true found it on the same bridge, or on a network that one of the bridge\'s ports leads to',
      )
    const unsure = addresses.find(({ tentative, local }) => tentative === true && local?.startsWith('fe80:') !== true)
    if (!unsure) return
    if (Date.now() > last)
      throw new CniError(
        CODE.exists,
        `the kernel does not finish looking for duplicates of ${unsure.local} on ${ifname}`,
        'the interface, or its bridge, may have no carrier',
      )
    await sleep(PAUSE)
  }
}
