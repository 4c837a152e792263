import { spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { watchKernel } from '../../src/kernel/changes.ts'
import type { Host } from '../../src/kernel/host.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { eventually, processesWith, withSandbox } from '../helpers.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Runs a line of shell on the host. */
async function sh(kernel: Kernel, script: string): Promise<void> {
  expect(await kernel.probe(['sh', '-c', script])).toMatchObject({ code: 0, stderr: '' })
}

/** The processes that watch this sandbox: those in it, and the nsenters that brought them there. */
function monitorsOf(host: Host): string[] {
  const pid = host.enter[host.enter.indexOf('-t') + 1]
  const own = readlinkSync(`/proc/${pid}/ns/pid`)
  return processesWith('monitor').filter((process) => {
    try {
      return (
        readlinkSync(`/proc/${process}/ns/pid`) === own ||
        readFileSync(`/proc/${process}/cmdline`, 'utf8').includes(`\0-t\0${pid}\0`)
      )
    } catch {
      return false // it ended meanwhile
    }
  })
}

/** Watches a host, and counts the calls. */
async function counted(host: Host) {
  await pause(1200) // the kernel tells up to a second late that the links of a new sandbox are up
  let calls = 0
  let last = performance.now()
  const { stop } = watchKernel(host, () => {
    calls++
    last = performance.now()
  })
  /** Waits until there was no call for half a second, and returns how many there were. */
  const settled = async () => {
    await pause(500)
    while (performance.now() - last < 500) await pause(20)
    return calls
  }
  return { calls: () => calls, last: () => last, settled, stop }
}

/** Does something, and returns after how many ms there was a call; undefined when there was none within 10 s. */
async function latency(
  watched: Awaited<ReturnType<typeof counted>>,
  change: () => Promise<void>,
): Promise<number | undefined> {
  let before = -1
  // The kernel of a busy machine may tell late of what was before.
  for (let i = 0; i < 10 && before !== watched.calls(); i++) {
    before = await watched.settled()
    await pause(200)
  }
  expect(watched.calls(), 'no call before the change').toBe(before)
  await change()
  const done = performance.now()
  while (watched.calls() === before && performance.now() - done < 10_000) await pause(5)
  return watched.calls() === before ? undefined : watched.last() - done
}

const RED = 'nsenter --net=/run/netns/red --'
const GREEN = 'nsenter --net=/run/netns/green --'

const changes = [
  ['a namespace comes', 'ip netns add blue'],
  ['a link in the host', 'ip link add name br0 type bridge'],
  ['an address in a namespace that was there', `${RED} ip address add 10.0.0.1/24 dev lo`],
  ['an address in a namespace that came later', `${GREEN} ip address add 10.0.0.1/24 dev lo`],
  ['a route', 'ip route add 10.9.0.0/24 via 203.0.113.1'],
  ['a route in a namespace', `${RED} ip route add blackhole 10.9.0.0/24`],
  ['a neighbour', 'ip neigh add 203.0.113.9 lladdr 02:00:00:00:00:09 dev eth0'],
  ['a neighbour goes', 'ip neigh del 203.0.113.9 dev eth0'],
  ['forwarding', 'sysctl -qw net.ipv4.ip_forward=1'],
  ['forwarding in a namespace', `${GREEN} sysctl -qw net.ipv4.ip_forward=1`],
  ['a table of rules in the host', 'nft add table ip own'],
  ['a table of rules in a namespace that was there', `${RED} nft add table ip own`],
  ['a table of rules in a namespace that came later', `${GREEN} nft add table ip own`],
  ['a namespace goes', 'ip netns delete red'],
  ['a namespace of the same name comes', 'ip netns add red'],
  ['a table of rules in it', `${RED} nft add table ip own`],
] as const

it('tells of every kind of change', () =>
  withSandbox(async (kernel) => {
    await sh(kernel, `ip netns add red; ${RED} ip link set dev lo up`)
    const watched = await counted(kernel.host)
    try {
      expect(await watched.settled()).toBeGreaterThan(0)
      await sh(kernel, `ip netns add green; ${GREEN} ip link set dev lo up`)
      const untold: string[] = []
      for (const [name, script] of changes) {
        const after = await latency(watched, () => sh(kernel, script))
        if (process.env['LATENCY'] !== undefined) console.log(`${after?.toFixed(0)} ms  ${name}`)
        if (after === undefined) untold.push(name)
      }
      expect(untold).toEqual([])
    } finally {
      watched.stop()
    }
  }))

it('tells once of many changes, and of long-lasting ones before they end', () =>
  withSandbox(async (kernel) => {
    const watched = await counted(kernel.host)
    try {
      const before = await watched.settled()
      const links = Array.from({ length: 50 }, (_, i) => `link add name br${i} type bridge`)
      const started = performance.now()
      await kernel.probe(['ip', '-batch', '-'], undefined, links.join('\n'))
      const took = performance.now() - started
      // Once in 150 ms while they go on, which is not for long unless the machine is busy.
      expect((await watched.settled()) - before).toBeLessThan(4 + took / 150)
      const then = watched.calls()
      await sh(kernel, 'for i in $(seq 100); do ip link set dev br1 mtu $((1300 + i)); sleep 0.01; done')
      expect(watched.calls() - then).toBeGreaterThan(4)
    } finally {
      watched.stop()
    }
  }))

it('says nothing of neighbours that a ping makes known', () =>
  withSandbox(async (kernel) => {
    const watched = await counted(kernel.host)
    try {
      const before = await watched.settled()
      const pings = ['203.0.113.1', '203.0.113.99'].map((to) => kernel.probe(['ping', '-c1', '-W1', to]))
      expect((await Promise.all(pings)).map(({ code }) => code)).toEqual([0, 1])
      await pause(3000) // until the kernel has given up looking for the second one
      const { stdout } = await kernel.probe(['ip', 'neigh'])
      expect(stdout).toMatch(/REACHABLE[^]*FAILED|FAILED[^]*REACHABLE/)
      expect(watched.calls()).toBe(before)
    } finally {
      watched.stop()
    }
  }))

it('does not keep the links of a deleted namespace alive', () =>
  withSandbox(async (kernel) => {
    await sh(kernel, 'ip netns add red; ip link add name v0 type veth peer name e netns red')
    const watched = await counted(kernel.host)
    try {
      await watched.settled()
      await sh(kernel, 'ip netns delete red')
      const deleted = performance.now()
      while ((await kernel.probe(['ip', 'link', 'show', 'dev', 'v0'])).code === 0) {
        expect(performance.now() - deleted).toBeLessThan(10_000)
        await pause(5)
      }
      if (process.env['LATENCY'] !== undefined) console.log(`${performance.now() - deleted} ms until the veth is gone`)
      expect(await eventually(() => monitorsOf(kernel.host).length === 4)).toBe(true)
    } finally {
      watched.stop()
    }
  }))

it('watches no namespace when there are very many', () =>
  withSandbox(async (kernel) => {
    const watched = await counted(kernel.host)
    try {
      await sh(kernel, 'for i in $(seq 32); do ip netns add n$i; done')
      await watched.settled()
      expect(monitorsOf(kernel.host)).toHaveLength(4 * 33)
      await sh(kernel, 'ip netns add n33')
      expect(await eventually(() => monitorsOf(kernel.host).length === 4)).toBe(true)
      await sh(kernel, 'ip netns delete n1')
      expect(await eventually(() => monitorsOf(kernel.host).length === 4 * 33)).toBe(true)
    } finally {
      watched.stop()
    }
  }))

it('leaves no process and makes no call once it is stopped', () =>
  withSandbox(async (kernel) => {
    await sh(kernel, 'ip netns add red; : >/run/netns/stale')
    const watched = await counted(kernel.host)
    await watched.settled()
    expect(monitorsOf(kernel.host)).toHaveLength(8)
    await sh(kernel, 'ip link add name br0 type bridge; ip netns add blue')
    watched.stop()
    const before = watched.calls()
    expect(await eventually(() => monitorsOf(kernel.host).length === 0)).toBe(true)
    await sh(kernel, 'ip link add name br1 type bridge; ip netns add green')
    await pause(500)
    expect(watched.calls()).toBe(before)
    expect(monitorsOf(kernel.host)).toEqual([])
  }))

it('leaves no process when it is killed', () =>
  withSandbox(async (kernel) => {
    await sh(kernel, 'ip netns add red')
    const module = JSON.stringify(join(import.meta.dirname, '..', '..', 'src', 'kernel', 'changes.ts'))
    const script = `import { watchKernel } from ${module}; watchKernel(${JSON.stringify(kernel.host)}, () => {})`
    for (const signal of ['SIGKILL', 'SIGINT'] as const) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit', detached: true })
      try {
        expect(await eventually(() => monitorsOf(kernel.host).length === 8)).toBe(true)
        // Ctrl-C reaches all processes of the group.
        if (child.pid !== undefined) process.kill(signal === 'SIGINT' ? -child.pid : child.pid, signal)
        expect(await eventually(() => monitorsOf(kernel.host).length === 0)).toBe(true)
      } finally {
        child.kill('SIGKILL')
      }
    }
  }))

it('tells when the sandbox ends', () =>
  withSandbox(async (kernel, { end }) => {
    const watched = await counted(kernel.host)
    const before = await watched.settled()
    end()
    expect(await eventually(() => watched.calls() > before)).toBe(true)
    watched.stop()
  }))
