import { expect, it } from 'vitest'
import { doPlan } from '../../src/engine/do.ts'
import { kernelOf } from '../../src/kernel/kernel.ts'
import { readJournal } from '../../src/journal/journal.ts'
import { ip } from '../../src/operations/operation.ts'
import { bindOperation, parseOperation } from '../../src/operations/registry.ts'
import { toFindings } from '../../src/plan/finding.ts'
import { describe as lines } from '../../src/state/diff.ts'
import { withSandbox } from '../helpers.ts'

const bridge = parseOperation('bridge', { name: 'b0' })
const address = parseOperation('address', { address: '10.22.0.1/16', ifname: 'b0' })
const noSuchSetting = parseOperation('sysctl', { key: 'net.ipv4.nosuch', value: '1' })

it('a plan that the kernel refuses half-way leaves nothing, and what was there before stays', () =>
  withSandbox(async (kernel) => {
    await doPlan(kernel, [bridge])
    const before = lines(await kernel.read())
    const veth = parseOperation('veth', { name: 'a', peer: 'c' })
    await expect(doPlan(kernel, [bridge, veth, address, noSuchSetting])).rejects.toThrow('nosuch')
    expect(lines(await kernel.read())).toEqual(before)
    expect(readJournal(kernel.host).map(({ operation }) => operation.kind)).toEqual(['bridge', 'bridge'])
  }))

it('refuses what the kernel would refuse before it touches anything', () =>
  withSandbox(async (kernel) => {
    const before = lines(await kernel.read())
    const veth = parseOperation('veth', { name: 'a', peer: 'c' })
    const port = parseOperation('attach-bridge', { ifname: 'a', bridge: 'nowhere' })
    await expect(doPlan(kernel, [veth, port])).rejects.toThrow('there is no interface nowhere')
    expect(lines(await kernel.read())).toEqual(before)
  }))

it('an address with another prefix is in the way; what depends on a failed finding is skipped', () =>
  withSandbox(async (kernel) => {
    await doPlan(kernel, [bridge, address])
    const other = bindOperation(parseOperation('address', { address: '10.22.0.1/24', ifname: 'b0' }))
    expect(other.judge(await kernel.read()).status).toBe('differs')
    const missing = ['bridge', 'address'].map((kind) =>
      kind === 'bridge'
        ? parseOperation('bridge', { name: 'b9' })
        : parseOperation('address', { address: '10.9.0.1/16', ifname: 'b9' }),
    )
    const findings = toFindings(missing.map(bindOperation), await kernel.read())
    expect(findings.map(({ passed }) => passed)).toEqual([false, null])
  }))

it('what others depend on is judged first, wherever it is listed', () =>
  withSandbox(async (kernel) => {
    const plan = [
      parseOperation('attach-bridge', { ifname: 'v', bridge: 'b9' }),
      parseOperation('address', { address: '10.9.0.1/16', ifname: 'b9' }),
      parseOperation('bridge', { name: 'b9' }),
      parseOperation('veth', { name: 'v', peer: 'w' }),
    ].map(bindOperation)
    const findings = toFindings(plan, await kernel.read())
    expect(findings.map(({ id, passed, dependsOn }) => [id, passed, dependsOn])).toEqual([
      ['bridge.b9', false, []],
      ['veth.v', false, []],
      ['attach-bridge.v', null, ['bridge.b9', 'veth.v']],
      ['address.host.b9.10.9.0.1', null, ['bridge.b9']],
    ])
  }))

it('blames the command that failed, where ip(8) names no line of its batch', () =>
  withSandbox(async (kernel, { host }) => {
    const add = ip(undefined, 'link', 'add', 'name', 'a', 'type', 'veth', 'peer', 'name', 'b')
    const wrong = ip(undefined, 'link', 'set', 'dev', 'a', 'netns', 'nowhere')
    const later = ip(undefined, 'link', 'set', 'dev', 'a', 'up')
    await expect(kernel.run([add, wrong, later])).rejects.toMatchObject({
      culprit: wrong,
      command: 'ip link set dev a netns nowhere',
    })
    // Which of the two names the namespace that is gone tells only another look at the kernel.
    await kernel.run([ip(undefined, 'netns', 'add', 'red')])
    const now = await kernel.read()
    await kernel.run([ip(undefined, 'netns', 'delete', 'red')])
    const plan = ['c', 'd'].map((ifname) => parseOperation('attach-netns', { ifname, netns: 'red' }))
    const only = kernelOf({ ...host, common: false })
    await expect(
      doPlan(only, [parseOperation('veth', { name: 'c', peer: 'd' }), ...plan], { now }),
    ).rejects.toMatchObject({
      command: 'ip link set dev c netns red',
    })
  }))
