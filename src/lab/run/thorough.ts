import type { CallOutcome } from '../../assertions/assertion.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { call, isInternetReady, startInternet, whileAnswering } from '../../kernel/packets.ts'
import { CnilabError } from '../../errors.ts'
import { bitsOf, contains, isIpv6 } from '../../ip-arithmetic.ts'
import { findLink, HOST, type State, UPLINK } from '../../state/state.ts'

/** What packets to try in addition to a small echo request. */
export type Packets = 'full' | 'all'

/** The usual size of a full packet, in bytes. */
const USUAL = 1500
/** The largest packet that IPv4 has. */
const LARGEST = 65_535
/** The port for TCP: the internet has a web server. Elsewhere we listen. */
const [WEB, ECHO] = [80, 7]
/** An answer to that shows that it listens; to read the page itself would take longer (RFC 1945, section 4.1). */
const REQUEST = 'HEAD / HTTP/1.0\r\n\r\n'
/** What the caller says of a port on which nobody listens. */
const REFUSED = 'connection refused'

/**
 * What does not get from a namespace (undefined: the host) to an address that answers small pings, as a sentence; undefined
 * if all of it does. A rule may drop TCP, and full-sized packets are lost where the two ends of a cable take packets of
 * different sizes.
 */
export async function lossOf(
  kernel: Kernel,
  { from, to, packets }: { from: string | undefined; to: string; packets: Packets },
  seconds: number,
  now: State,
): Promise<string | undefined> {
  const [full, tcp] = await Promise.all([
    lossOfFull(kernel, from, to, seconds, now),
    packets === 'all' ? lossOfTcp(kernel, from, to, seconds, now) : undefined,
  ])
  return full ?? tcp
}

/**
 * Pings with a packet that fills the sender's interface, and is at least of the usual size, so that the answer fills those on
 * its way. If a router says that it is too large, the second one is cut to fit: only what vanishes is lost.
 */
async function lossOfFull(
  kernel: Kernel,
  from: string | undefined,
  to: string,
  seconds: number,
  now: State,
): Promise<string | undefined> {
  const size = Math.min(LARGEST, Math.max(USUAL, mtuTowards(to, from ?? HOST, now)))
  const argv = ['ping', '-n', '-c1', '-Mwant', `-s${size - (isIpv6(to) ? 48 : 28)}`, `-W${seconds}`, to]
  for (let i = 0; i < 2; i++) if ((await kernel.probe(argv, from)).code !== 1) return undefined
  return `${to} answers small packets, but none of ${size} bytes: they are lost on the way, as where the MTU of one end of a cable is smaller than that of the other`
}

/** The size of the largest packet that leaves by the most specific route to an address. */
function mtuTowards(to: string, netns: string, now: State): number {
  const [best] = (now.get(netns)?.routes ?? [])
    .filter(({ dst, family }) =>
      dst === 'default' ? (family === 'inet6') === isIpv6(to) : contains(prefixed(dst), to),
    )
    .toSorted((a, b) => lengthOf(b.dst) - lengthOf(a.dst))
  const link = best?.dev === undefined ? undefined : findLink(now, best.dev, netns)
  return best?.mtu ?? link?.mtu ?? USUAL
}

const prefixed = (dst: string) => (dst.includes('/') ? dst : `${dst}/${bitsOf(isIpv6(dst))}`)
const lengthOf = (dst: string) => (dst === 'default' ? 0 : Number(prefixed(dst).split('/')[1]))

/** Connects by TCP. Where nobody listens and we cannot, a refusal shows as well that packets pass in both directions. */
async function lossOfTcp(
  kernel: Kernel,
  from: string | undefined,
  to: string,
  seconds: number,
  now: State,
): Promise<string | undefined> {
  const isInternet = to === UPLINK.gateway && kernel.host.kind !== 'machine'
  const whom = isInternet
    ? ({ protocol: 'tcp', to, port: WEB, say: REQUEST } as const)
    : ({ protocol: 'tcp', to, port: ECHO } as const)
  const ask = (isSoon: boolean) => call(kernel, from, whom, 2 * seconds, { isSoon })
  const loss = ({ ok, detail }: CallOutcome) =>
    ok ? undefined : `${to} answers pings, but not TCP on port ${whom.port}: ${detail}`
  try {
    if (isInternet) {
      if (isInternetReady(kernel.host)) return loss(await ask(false))
      // Both programs take their time to start; the first call may still have been too early.
      const [early] = await Promise.all([ask(true), startInternet(kernel.host)])
      return early.detail === REFUSED ? loss(await ask(false)) : loss(early)
    }
    const owner = [...now].find(([, namespace]) => has(namespace, to))?.[0]
    // On the machine itself, no port is opened for a moment that nobody asked for.
    if (owner === undefined || kernel.host.kind === 'machine') {
      const refused = await ask(false)
      return refused.detail === REFUSED ? undefined : loss(refused)
    }
    const asking = ask(true)
    const [answered] = await Promise.all([
      asking,
      whileAnswering(kernel.host, owner === HOST ? undefined : owner, `tcp:${ECHO}`, () => asking),
    ])
    return loss(answered)
  } catch (error) {
    if (error instanceof CnilabError && error.kind !== 'interrupted') return undefined // it could not be tried
    throw error
  }
}

function has(namespace: ReturnType<State['get']>, address: string): boolean {
  return namespace?.links.some(({ addresses }) => addresses.some((one) => one.address === address)) === true
}
