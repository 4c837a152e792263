import { CODE } from '../protocol/error.ts'
import { oneAddress } from './addresses.ts'
import { type Check, SPEC } from './check.ts'
import { demand } from './verdict.ts'
import { fails, isSame, succeeds } from './judge.ts'

const since = '1.1.0'

/** Checks of GC and STATUS, which exist since 1.1.0. */
export const collecting: readonly Check[] = [
  {
    id: 'gc.keeps',
    title: 'GC leaves the valid attachments alone',
    level: 'required',
    spec: SPEC.gc,
    since,
    run: async (bench) => {
      const { ifname } = await bench.attach('c1')
      await bench.attach('c2')
      const before = await bench.footprint()
      succeeds(await bench.gc(['c1', 'c2'].map((containerID) => ({ containerID, ifname }))), 'GC')
      isSame(before, await bench.footprint(), 'both valid attachments as they were (- missing, + added)')
    },
  },
  {
    id: 'gc.stale',
    title: 'GC removes what belongs to attachments that are no longer valid',
    level: 'recommended',
    spec: SPEC.gc,
    since,
    run: async (bench) => {
      const { ifname } = await bench.attach('c1')
      const before = await bench.footprint()
      await bench.attach('c2')
      await bench.shell('ip netns delete c2')
      succeeds(await bench.gc([{ containerID: 'c1', ifname }]), 'GC')
      isSame(before, await bench.footprint(), 'c1 as it was and nothing of c2 (- missing, + left)')
    },
  },
  {
    id: 'gc.empty',
    title: 'GC with an empty list succeeds, even when there is nothing to do',
    level: 'required',
    spec: SPEC.gc,
    since,
    run: async (bench) => {
      succeeds(await bench.gc([]), 'GC on an empty host')
      await bench.attach('c1')
      succeeds(await bench.gc([]), 'GC with an empty list')
      succeeds(await bench.gc([]), 'a second GC')
      demand((await bench.store()).length === 0, 'every address released', (await bench.store()).join(', '))
    },
  },
  {
    id: 'gc.other-networks',
    title: 'GC of one network leaves the attachments of another alone',
    level: 'required',
    spec: SPEC.gc,
    kinds: ['interface', 'ipam'],
    since,
    run: async (bench) => {
      await bench.attach('c1')
      const before = await bench.footprint()
      succeeds(await bench.gc([], { change: { name: 'another' } }), 'GC of another network')
      isSame(before, await bench.footprint(), 'the attachment as it was (- missing, + added)')
    },
  },
  {
    id: 'status.ready',
    title: 'STATUS succeeds while ADD can work',
    level: 'required',
    spec: SPEC.status,
    since,
    run: async (bench) => {
      await bench.attach()
      succeeds(await bench.call('STATUS'), 'STATUS')
    },
  },
  {
    id: 'status.exhausted',
    title: 'STATUS fails with code 50 when no address is left',
    level: 'required',
    spec: SPEC.status,
    kinds: ['interface', 'ipam'],
    since,
    run: async (bench) => {
      const change = oneAddress(bench)
      await bench.attach('c1', { change })
      fails(await bench.call('STATUS', { change }), 'STATUS when no address is left', CODE.unavailable)
    },
  },
]
