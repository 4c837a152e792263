import { FORWARDING } from '../../operations/sysctl.ts'
import { HOST } from '../../state/state.ts'
import type { TestAttachment, Bench } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { NotApplicable } from './verdict.ts'
import { fails, succeeds } from './judge.ts'

/** A check that CHECK fails after `tamper` has removed something; `tamper` throws NotApplicable if there is nothing to remove. */
function notices(
  id: string,
  what: string,
  level: Check['level'],
  kinds: Check['kinds'],
  tamper: (bench: Bench, attached: TestAttachment) => Promise<void>,
): Check {
  return {
    id: `check.${id}`,
    title: `CHECK fails when ${what}`,
    level,
    spec: SPEC.check,
    ...(kinds ? { kinds } : {}),
    since: '0.4.0',
    run: async (bench) => {
      const attached = await bench.attach()
      const first = await bench.call('CHECK')
      if (first.code !== 0) throw new NotApplicable('CHECK does not even pass right after ADD')
      await tamper(bench, attached)
      fails(await bench.call('CHECK'), `CHECK when ${what}`)
    },
  }
}

/** Checks that CHECK passes when everything is right, and fails when it is not. */
export const checking: readonly Check[] = [
  {
    id: 'check.passes',
    title: 'CHECK passes right after ADD',
    level: 'required',
    spec: SPEC.check,
    since: '0.4.0',
    run: async (bench) => {
      await bench.attach()
      succeeds(await bench.call('CHECK'), 'CHECK right after ADD')
    },
  },
  {
    id: 'check.no-prevresult',
    title: 'CHECK without prevResult fails',
    level: 'required',
    spec: SPEC.check,
    kinds: ['interface', 'chained', 'loopback'],
    since: '0.4.0',
    run: async (bench) => {
      await bench.attach()
      fails(await bench.call('CHECK', { prevResult: false }), 'CHECK without prevResult')
    },
  },
  {
    id: 'check.added-route',
    title: 'CHECK passes when a later plugin has added a route',
    level: 'required',
    spec: SPEC.check,
    kinds: ['interface'],
    since: '0.4.0',
    run: async (bench) => {
      const { id, ifname } = await bench.attach()
      await bench.shell(`ip -n ${id} route add 192.0.2.0/24 dev ${ifname}`)
      succeeds(await bench.call('CHECK'), 'CHECK with one route more')
    },
  },
  notices('interface-removed', 'the interface is gone', 'recommended', ['interface'], async (bench, { id, ifname }) => {
    await bench.shell(`ip -n ${id} link delete dev ${ifname}`)
  }),
  notices(
    'address-removed',
    'the address is gone',
    'recommended',
    ['interface'],
    async (bench, { id, ifname, result }) => {
      const [ip] = result.ips
      if (!ip) throw new NotApplicable('the result has no address')
      await bench.shell(`ip -n ${id} address delete ${ip.address} dev ${ifname}`)
    },
  ),
  notices('route-removed', 'a route is gone', 'recommended', ['interface'], async (bench, { id, result }) => {
    const [route] = result.routes
    if (!route) throw new NotApplicable('the result has no route')
    await bench.shell(`ip -n ${id} route delete ${route.dst}`)
  }),
  notices('link-down', 'the interface is down', 'recommended', ['interface', 'loopback'], async (bench, attached) => {
    await bench.shell(`ip -n ${attached.id} link set dev ${attached.ifname} down`)
  }),
  notices('port-detached', 'its port has left the bridge', 'recommended', ['interface'], async (bench, { result }) => {
    const links = (await bench.kernel.read()).get(HOST)?.links ?? []
    const names = result.interfaces.map(({ name }) => name)
    const port = links.find(({ name, master }) => master !== undefined && names.includes(name))
    if (!port) throw new NotApplicable('the result has no port of a bridge')
    await bench.shell(`ip link set dev ${port.name} nomaster`)
  }),
  notices('rules-removed', 'its nftables rules are gone', 'recommended', ['interface', 'chained'], async (bench) => {
    const rules = (await bench.kernel.read()).get(HOST)?.rules ?? []
    if (!rules.some((object) => 'rule' in object)) throw new NotApplicable('ADD made no rules')
    await bench.shell('nft flush ruleset')
  }),
  notices('forwarding-off', 'the forwarding that ADD turned on is off', 'recommended', ['interface'], async (bench) => {
    const key = FORWARDING.inet
    const value = (await bench.kernel.read()).get(HOST)?.sysctls[key]
    if (value !== '1') throw new NotApplicable('ADD did not turn forwarding on')
    await bench.shell(`sysctl -qw ${key}=0`)
  }),
  notices('reservation-gone', 'the addresses were released', 'recommended', ['interface', 'ipam'], async (bench) => {
    if ((await bench.store()).length === 0) throw new NotApplicable('no reservation is kept below /var/lib/cni')
    await bench.shell('find /var/lib/cni -type f ! -name lock -delete')
  }),
]
