import { expect, it } from 'vitest'
import { parseRouted } from '../../src/state/parse.ts'
import { HOST, type State } from '../../src/state/state.ts'
import { picture } from '../../src/picture/topology.ts'

/** The state in which ip says that there are these interfaces, each with the one that it is a port of. */
function said(links: readonly (readonly [string, string?])[]): State {
  const json = links.map(([ifname, master], i) => ({ ifindex: i + 1, ifname, master, flags: ['UP'], mtu: 1500 }))
  return new Map([[HOST, { ...parseRouted([JSON.stringify(json)]), inode: 0, since: 0, rules: [], sysctls: {} }]])
}

it('draws each interface once, also where two have a name, or one hangs below itself', () => {
  const state = said([['a'], ['a', 'a'], ['b', 'c'], ['c', 'b'], ['d', 'a']])
  expect(picture(state, true)).toEqual(['host', '  a up', '    a up', '      d up'])
})

it('draws no more levels than the kernel has', () => {
  const state = said(Array.from({ length: 30_000 }, (_, i) => (i === 0 ? ['l0'] : [`l${i}`, `l${i - 1}`])))
  expect(picture(state, true).map((line) => line.trim())).toEqual([
    'host',
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `l${i} up`),
  ])
})

it('finds the other ends of very many cables', () => {
  const cables = Array.from({ length: 100_000 }, (_, i) => [
    { ifindex: i, ifname: `v${i}`, link: `v${i + 1}`, flags: [], mtu: 1500, linkinfo: { info_kind: 'veth' } },
    { ifindex: i, ifname: `w${i}`, link_index: i + 1, flags: [], mtu: 1500, linkinfo: { info_kind: 'veth' } },
  ])
  const json = JSON.stringify(cables.flat())
  const started = performance.now()
  const state = new Map([[HOST, { ...parseRouted([json]), inode: 0, since: 0, rules: [], sysctls: {} }]])
  expect(picture(state, true).slice(0, 3)).toEqual(['host', '  v0 down cable to v1', '  w0 down'])
  expect(performance.now() - started).toBeLessThan(10_000)
})
