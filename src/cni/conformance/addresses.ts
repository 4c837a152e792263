import { parseJson } from '../../state/json.ts'
import type { Bench } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { demand, NotApplicable } from './verdict.ts'
import { fails, inWords, isSame, succeeds } from './judge.ts'

/** A change to the configuration that leaves only one address. Throws NotApplicable unless the IPAM plugin is host-local. */
export function oneAddress({ subject }: Bench): Record<string, unknown> {
  const { ipam } = subject.config
  const isKnown = typeof ipam === 'object' && ipam !== null && 'type' in ipam && ipam.type === 'host-local'
  if (!isKnown) throw new NotApplicable('the IPAM plugin is not host-local, so the suite cannot use up its addresses')
  return { ipam: { type: 'host-local', subnet: '10.98.0.0/30' } }
}

const ids = Array.from({ length: 16 }, (_, i) => `c${i + 1}`)

/** Checks of addresses, of concurrent calls, and of kills. */
export const addresses: readonly Check[] = [
  {
    id: 'ipam.abbreviated',
    title: 'the result has addresses, and no interfaces nor an index into them',
    level: 'required',
    spec: SPEC.ipam,
    kinds: ['ipam'],
    since: '0.3.0',
    run: async (bench) => {
      const { result } = await bench.attach()
      const isGood = result.ips.length > 0 && result.ips.every((ip) => ip.interface === undefined)
      demand(
        isGood && result.interfaces.length === 0,
        'ips without interface, and no interfaces',
        JSON.stringify(result),
      )
    },
  },
  {
    id: 'ipam.exhausted',
    title: 'ADD fails when no address is left, and works again after a DEL',
    level: 'required',
    spec: SPEC.ipam,
    kinds: ['interface', 'ipam'],
    run: async (bench) => {
      const change = oneAddress(bench)
      await bench.attach('c1', { change })
      await bench.container('c2')
      fails(await bench.call('ADD', { id: 'c2', change }), 'ADD when no address is left')
      succeeds(await bench.call('DEL', { id: 'c2', change }), 'DEL after the ADD that failed')
      succeeds(await bench.call('DEL', { id: 'c1', change }), 'DEL of c1')
      await bench.attach('c2', { change })
    },
  },
  {
    id: 'concurrency.add-del',
    title: '16 ADDs at once work and give 16 addresses, and 16 DELs at once leave nothing',
    level: 'required',
    spec: SPEC.lifecycle,
    kinds: ['interface', 'ipam'],
    run: async (bench) => {
      if (bench.subject.type === 'static') throw new NotApplicable('static gives everybody the same address')
      await bench.attach('warm')
      succeeds(await bench.call('DEL', { id: 'warm' }), 'DEL')
      for (const id of ids) await bench.container(id)
      const before = await bench.footprint()
      const attached = await Promise.all(ids.map((id) => bench.attach(id)))
      const given = attached.flatMap(({ result }) => result.ips.map(({ address }) => address))
      const twice = given.filter((address, i) => given.indexOf(address) !== i)
      demand(twice.length === 0, 'every address to be given once', `${twice.join(', ')} came more than once`)
      const ends = await Promise.all(ids.map((id) => bench.call('DEL', { id })))
      for (const end of ends) succeeds(end, 'each DEL')
      isSame(before, await bench.footprint(), 'all of it to be gone (- is missing, + was left)')
    },
  },
  {
    id: 'kill.add',
    title: 'after an ADD that was killed half-way, DEL leaves nothing and the next ADD works',
    level: 'required',
    spec: SPEC.del,
    run: async (bench) => {
      await bench.attach('warm')
      succeeds(await bench.call('DEL', { id: 'warm' }), 'DEL')
      await bench.container('c1')
      const before = await bench.footprint()
      const { ms } = await timed(bench)
      for (const part of [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]) {
        await bench.call('ADD', { killAfter: Math.max(1, Math.round(ms * part)) })
        succeeds(await bench.call('DEL', { prevResult: false }), 'DEL after the ADD that was killed')
        isSame(before, await bench.footprint(), `nothing left ${Math.round(ms * part)} ms into ADD (- missing, + left)`)
        await bench.attach('c1')
        succeeds(await bench.call('DEL'), 'DEL')
      }
    },
  },
  {
    id: 'kill.del',
    title: 'after a DEL that was killed half-way, a second DEL leaves nothing',
    level: 'required',
    spec: SPEC.del,
    run: async (bench) => {
      await bench.attach('warm')
      succeeds(await bench.call('DEL', { id: 'warm' }), 'DEL')
      await bench.container('c1')
      const before = await bench.footprint()
      await bench.attach('c1')
      const { ms } = await bench.call('DEL')
      for (const part of [0.1, 0.3, 0.5, 0.8]) {
        await bench.attach('c1')
        await bench.call('DEL', { killAfter: Math.max(1, Math.round(ms * part)) })
        succeeds(await bench.call('DEL'), 'the second DEL')
        isSame(before, await bench.footprint(), `nothing left ${Math.round(ms * part)} ms into DEL (- missing, + left)`)
      }
    },
  },
]

/** Times a complete ADD, and undoes it with DEL. */
async function timed(bench: Bench): Promise<{ ms: number }> {
  const whole = await bench.call('ADD')
  demand(whole.code === 0 && parseJson(whole.stdout) !== undefined, 'ADD to succeed', inWords(whole))
  succeeds(await bench.call('DEL'), 'DEL')
  return whole
}
