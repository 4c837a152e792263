import * as z from 'zod'
import type { Kernel } from '../../kernel/kernel.ts'
import { readJson } from '../../state/json.ts'
import { INTERNET, UPLINK } from '../../state/state.ts'

/**
 * An nftables table in the internet's namespace that records who called with packets of this length, without any process.
 * The length distinguishes us from others who call at the same time.
 */
const whoCalled = (length: number) => `table ip who_called {
  set seen { type ipv4_addr; flags dynamic; timeout 1m; }
  chain input {
    type filter hook input priority filter; policy accept;
    icmp type echo-request ip length ${length} update @seen { ip saddr };
  }
}
`
const forget = 'add table ip who_called\ndelete table ip who_called\n'
/** The length of the IPv4 and ICMP headers of a ping, in bytes. */
const HEADERS = 28

/**
 * Calls the internet from some namespaces with a ping each, which needs no program at the other end and no answer, and
 * returns whom it saw; undefined if that could not be read.
 */
export async function callersOf(
  kernel: Kernel,
  from: readonly string[],
  seconds: number,
): Promise<string[] | undefined> {
  const { randomInt } = await import('node:crypto') // slow to load
  const size = randomInt(64, 1300)
  await kernel.probe(['nft', '-f', '-'], INTERNET, forget + whoCalled(size + HEADERS))
  const ping = ['ping', '-n', '-c1', `-s${size}`, `-W${seconds}`, UPLINK.gateway]
  await Promise.all(from.map((netns) => kernel.probe(ping, netns)))
  const { code, stdout } = await kernel.probe(['nft', '-j', 'list', 'set', 'ip', 'who_called', 'seen'], INTERNET)
  return code === 0 ? parseCallers(stdout) : undefined
}

const setSchema = z.object({
  nftables: z.array(
    z.looseObject({
      set: z
        .looseObject({
          elem: z.array(z.union([z.string(), z.object({ elem: z.object({ val: z.string() }) })])).default([]),
        })
        .optional(),
    }),
  ),
})

/** The addresses in `nft -j list set` (libnftables-json(5)). */
function parseCallers(json: string): string[] {
  return readJson('nft -j list set ip who_called seen', json, setSchema).nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map((e) => (typeof e === 'string' ? e : e.elem.val)),
  )
}
