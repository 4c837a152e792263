import { parseJson } from '../../state/json.ts'
import { HOST, type State } from '../../state/state.ts'
import { CODE } from '../protocol/error.ts'
import { parseResult } from '../protocol/result.ts'
import { atLeast, type Version, VERSIONS } from '../protocol/versions.ts'
import type { TestAttachment } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { demand, NotApplicable } from './verdict.ts'
import { fails, inWords, printsNothing, succeeds } from './judge.ts'
import { wrongShape } from './result-shape.ts'

/** A check of ADD, CHECK and DEL in one version of the spec, and of the result's format. */
function inVersion(version: Version): Check {
  return {
    id: `result.${version}`,
    title: `with cniVersion ${version}, ADD, CHECK and DEL work and the result has the format of that version`,
    level: 'required',
    spec: SPEC.success,
    run: async (bench) => {
      if (!bench.subject.versions.includes(version)) throw new NotApplicable(`the plugin does not support ${version}`)
      if (bench.hopeless !== undefined) throw new NotApplicable(bench.hopeless)
      await bench.container('c1')
      const execution = await bench.call('ADD', { version })
      succeeds(execution, `ADD with cniVersion ${version}`)
      const result = parseJson(execution.stdout)
      const wrong = wrongShape(result, version)
      demand(wrong === undefined, `a result in the format of ${version}`, `${wrong}; ${inWords(execution)}`)
      const { ips } = parseResult(result)
      demand(bench.subject.kind !== 'ipam' || ips.length > 0, 'a result with addresses', inWords(execution))
      if (atLeast(version, '0.4.0'))
        succeeds(await bench.call('CHECK', { version }), `CHECK with cniVersion ${version}`)
      succeeds(await bench.call('DEL', { version }), `DEL with cniVersion ${version}`)
    },
  }
}

/** A check that a command is refused in versions before it existed. */
function tooOld(command: 'CHECK' | 'GC' | 'STATUS', since: Version): Check {
  return {
    id: `version.no-${command.toLowerCase()}`,
    title: `${command} is refused with code 1 in versions before ${since}`,
    level: 'required',
    spec: SPEC.versions,
    since,
    run: async (bench) => {
      await bench.container('c1')
      const older = bench.subject.versions.filter((version) => !atLeast(version, since))
      if (older.length === 0) throw new NotApplicable('the plugin supports none of those versions')
      for (const version of older) {
        const call = command === 'GC' ? bench.gc([], { version }) : bench.call(command, { version })
        fails(await call, `${command} with cniVersion ${version}`, CODE.incompatibleVersion)
      }
    },
  }
}

/** A check that a successful command prints nothing on stdout. */
function silent(command: 'DEL' | 'CHECK' | 'GC' | 'STATUS', spec: string, since?: Version): Check {
  return {
    id: `stdout.${command.toLowerCase()}`,
    title: `${command} prints nothing on stdout when it succeeds`,
    level: 'required',
    spec,
    ...(since === undefined ? {} : { since }),
    run: async (bench) => {
      const { id: containerID, ifname } = await bench.attach()
      const execution = await (command === 'GC' ? bench.gc([{ containerID, ifname }]) : bench.call(command))
      if (execution.code !== 0) throw new NotApplicable(`${command} did not succeed: another check says so`)
      printsNothing(execution, command)
    },
  }
}

/** Checks of what ADD prints, and whether it is true. */
export const versions: readonly Check[] = [
  {
    id: 'add.works',
    title: 'ADD works, and creates the requested interface',
    level: 'required',
    spec: SPEC.add,
    run: async (bench) => {
      const { netns, ifname } = await bench.attach()
      if (bench.subject.kind === 'ipam' || bench.subject.kind === 'chained') return
      const link = (await bench.kernel.read()).get('c1')?.links.find(({ name }) => name === ifname)
      demand(link !== undefined, `an interface ${ifname} in ${netns}`, 'there is none')
      demand(link.up, `${ifname} to be up`, 'it is down')
    },
  },
  {
    id: 'stdout.add',
    title: 'ADD prints one JSON object on stdout and nothing else',
    level: 'required',
    spec: SPEC.success,
    run: async (bench) => {
      if (bench.hopeless !== undefined) throw new NotApplicable(bench.hopeless)
      await bench.container('c1')
      const execution = await bench.call('ADD')
      const json = parseJson(execution.stdout)
      demand(typeof json === 'object' && json !== null, 'one JSON object on stdout', inWords(execution))
    },
  },
  silent('DEL', SPEC.del),
  silent('CHECK', SPEC.check, '0.4.0'),
  silent('GC', SPEC.gc, '1.1.0'),
  silent('STATUS', SPEC.status, '1.1.0'),
  ...VERSIONS.map(inVersion),
  tooOld('CHECK', '0.4.0'),
  tooOld('GC', '1.1.0'),
  tooOld('STATUS', '1.1.0'),
  {
    id: 'result.interfaces',
    title: 'the interfaces in the result exist, in the place and with the MAC that it says',
    level: 'required',
    spec: SPEC.success,
    kinds: ['interface', 'loopback'],
    since: '0.3.0',
    run: async (bench) => {
      const { result, netns, ifname } = await bench.attach()
      const own = result.interfaces.find(({ name, sandbox }) => name === ifname && sandbox === netns)
      demand(own !== undefined, `${ifname} with the sandbox ${netns} in the result`, JSON.stringify(result.interfaces))
      const state = await bench.kernel.read()
      for (const { name, mac, sandbox } of result.interfaces) {
        const where = sandbox === undefined || sandbox === '' ? HOST : 'c1'
        const link = state.get(where)?.links.find((one) => one.name === name)
        demand(link !== undefined, `the interface ${name} in ${where}`, 'there is none')
        const isSame = mac === undefined || mac === '' || mac.toLowerCase() === link.mac
        demand(isSame, `the MAC ${mac} on ${name}`, `it has ${link.mac}`)
      }
    },
  },
  {
    id: 'result.addresses',
    title: 'the addresses and routes in the result exist, on the interface that it says',
    level: 'required',
    spec: SPEC.success,
    kinds: ['interface', 'loopback'],
    since: '0.3.0',
    run: async (bench) => {
      const attached = await bench.attach()
      const state = await bench.kernel.read()
      addressesHold(attached, state)
      routesHold(attached, state)
    },
  },
  {
    id: 'result.prevresult',
    title: 'a chained plugin passes on the interfaces and addresses of prevResult',
    level: 'required',
    spec: SPEC.success,
    kinds: ['chained'],
    since: '0.3.0',
    run: async (bench) => {
      const { id, result } = await bench.attach()
      const before = bench.previous(id)
      for (const { name } of before.interfaces)
        demand(
          result.interfaces.some((one) => one.name === name),
          `the interface ${name} of prevResult in the result`,
          JSON.stringify(result.interfaces),
        )
      for (const { address } of before.ips)
        demand(
          result.ips.some((one) => one.address === address),
          `the address ${address} of prevResult in the result`,
          JSON.stringify(result.ips),
        )
    },
  },
]

function addressesHold({ result, ifname }: TestAttachment, state: State): void {
  for (const { address, interface: index } of result.ips) {
    const named = index === undefined ? { name: ifname, sandbox: 'c1' } : result.interfaces[index]
    demand(named !== undefined, `the index of an interface with ${address}`, `it is ${index}`)
    const links = state.get((named.sandbox ?? '') === '' ? HOST : 'c1')?.links ?? []
    const addresses = links.find(({ name }) => name === named.name)?.addresses ?? []
    const found = addresses.map((one) => `${one.address}/${one.prefix}`)
    demand(found.includes(address), `the address ${address} on ${named.name}`, `it has ${found.join(', ') || 'none'}`)
  }
}

function routesHold({ result }: TestAttachment, state: State): void {
  const routes = state.get('c1')?.routes ?? []
  for (const { dst, gw } of result.routes) {
    const wanted = dst === '0.0.0.0/0' || dst === '::/0' ? 'default' : dst
    const via = gw === undefined ? '' : ` via ${gw}`
    demand(
      routes.some((one) => one.dst === wanted && (gw === undefined || one.via === gw)),
      `the route ${wanted}${via} in the container`,
      `its routes are ${routes.map((one) => one.dst).join(', ') || 'none'}`,
    )
  }
}
