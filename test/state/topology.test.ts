import { expect, it } from 'vitest'
import { HOST, type State } from '../../src/state/state.ts'
import { otherEnd } from '../../src/state/topology.ts'
import { withSandbox } from '../helpers.ts'

/** `a eth0 - b eth0` */
function cable(state: State, netns: string, ifname: string): string {
  const link = state.get(netns)?.links.find(({ name }) => name === ifname)
  const other = link && otherEnd(state, { netns, link })
  return `${netns} ${ifname} - ${other?.netns} ${other?.link.name}`
}

it('tells whose cables are whose, also where all namespaces count alike', async () => {
  await withSandbox(async (kernel) => {
    const script = [
      ...['a', 'b', 'c', 'd', 'e'].map((name) => `ip netns add ${name}`),
      'ip -n a link add name eth0 type veth peer name eth0 netns b',
      'ip -n c link add name eth0 type veth peer name eth0 netns d',
      'ip link add name e-b type veth peer name eth0 netns e',
      'ip -n a link add name x type veth peer name y netns e',
    ]
    expect((await kernel.probe(['sh', '-ec', script.join('; ')])).stderr).toBe('')
    const state = await kernel.read()
    const cables = [
      ['a', 'eth0', 'b eth0'],
      ['b', 'eth0', 'a eth0'],
      ['c', 'eth0', 'd eth0'],
      ['d', 'eth0', 'c eth0'],
      ['e', 'eth0', 'host e-b'],
      [HOST, 'e-b', 'e eth0'],
      ['a', 'x', 'e y'],
      ['e', 'y', 'a x'],
      [HOST, 'eth0', 'internet eth0'],
      ['internet', 'eth0', 'host eth0'],
    ] as const
    for (const [netns, ifname, other] of cables)
      expect(cable(state, netns, ifname)).toBe(`${netns} ${ifname} - ${other}`)
  })
})
