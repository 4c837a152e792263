import { setTimeout as sleep } from 'node:timers/promises'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJsonOf, unreadable } from '../../state/json.ts'
import { CODE, CniError } from '../protocol/error.ts'
import { Settings } from '../protocol/settings.ts'

const COMMAND = 'ip -j -6 address show'

/** The addresses that the command printed, and how far duplicate detection is. */
function addressesIn(text: string) {
  const refusing = (place: string, problem: string) => unreadable(COMMAND, `${place}: ${problem}`)
  const printed = new Settings({ links: readJsonOf(COMMAND, text) }, refusing)
  const ofLink = (link: Settings) =>
    link.list('addr_info', (items, place) => {
      const address = items.part(place)
      return {
        local: address.text('local'),
        tentative: address.flag('tentative'),
        dadfailed: address.flag('dadfailed'),
      }
    })
  return printed.list('links', (items, place) => ofLink(items.part(place))).flat()
}

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
    const { code, stdout } = await kernel.probe([...COMMAND.split(' '), 'dev', ifname], netns)
    const addresses = code === 0 ? addressesIn(stdout) : []
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
