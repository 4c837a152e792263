import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isLong } from '../../long.ts'
import { call, callProgram, dataDir, first, network, programs, reference, takenIn } from './call.ts'

const { ours } = programs

it('64 ADDs at once, each in a process, never hand out one address twice', { timeout: 120_000 }, async () => {
  const config = network({ subnet: '10.1.0.0/24' })
  const ids = Array.from({ length: 64 }, (_, i) => `c${i}`)
  const answers = await Promise.all(ids.map((id) => callProgram(ours, 'ADD', config, id)))
  expect(new Set(answers.map(first)).size).toBe(64)
  expect(takenIn(config)).toHaveLength(64)
  for (const [i, answer] of answers.entries()) {
    const address = (first(answer) ?? '').replace('/24', '')
    expect(readFileSync(join(dataDir, config.name, address), 'utf8')).toBe(`${ids[i]}\r\neth0`)
  }
})

it('kills in the middle of ADD and DEL, then DEL and GC: no address is left, no lock is held', async () => {
  const config = network({ subnet: '10.1.0.0/24', ranges: [[{ subnet: 'fd00::/64' }]] })
  const started = performance.now()
  await callProgram(ours, 'ADD', config, 'stays')
  const whole = performance.now() - started
  for (const command of ['ADD', 'DEL'] as const)
    for (let i = 1; i <= 20; i++)
      await callProgram(ours, command, config, `c${i}`, { killAfter: Math.ceil((whole * i) / 20) })
  for (let i = 1; i <= 10; i++) expect(await call('DEL', config, `c${i}`)).toEqual({})
  const valid = [{ containerID: 'stays', ifname: 'eth0' }]
  expect(await call('GC', { ...config, 'cni.dev/valid-attachments': valid })).toEqual({})
  expect(takenIn(config).toSorted()).toEqual(['10.1.0.2', 'fd00::2'])
  expect(await call('DEL', config, 'stays')).toEqual({})
  expect(readdirSync(join(dataDir, config.name))).not.toContain('.new')
})

it('waits for the holder of the lock, and goes on when that is killed', async () => {
  const config = network({ subnet: '10.1.0.0/24' })
  const folder = join(dataDir, config.name)
  mkdirSync(folder)
  const holder = spawn('flock', ['-x', '--no-fork', join(folder, 'lock'), 'sh', '-c', 'echo locked; exec sleep 60'])
  await once(holder.stdout, 'data')
  let isDone = false
  const added = callProgram(ours, 'ADD', config, 'c1').finally(() => (isDone = true))
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect([isDone, takenIn(config)]).toEqual([false, []])
  holder.kill('SIGKILL')
  expect(first(await added)).toBe('10.1.0.2/24')
})

describe.skipIf(!existsSync(reference))(`one store with the reference (needs ${reference})`, () => {
  const theirs = programs.reference
  const ipam = {
    ranges: [[{ subnet: '10.1.0.0/29' }], [{ subnet: 'fd00:0:0:1::/64', rangeStart: 'fd00:0:0:1:0:a:0:9' }]],
  }
  const shared = () => network(ipam, { cniVersion: '1.0.0' })

  it('goes on where the other one stopped', async () => {
    const config = shared()
    const given = []
    for (const [i, program] of [theirs, ours, theirs, ours, theirs, ours].entries()) {
      const { ips, msg } = await callProgram(program, 'ADD', config, `c${i}`)
      given.push(ips?.map(({ address }) => address).join(' ') ?? msg)
    }
    expect(given.slice(0, 5)).toEqual([
      '10.1.0.2/29 fd00::1:0:a:0:9/64',
      '10.1.0.3/29 fd00::1:0:a:0:a/64',
      '10.1.0.4/29 fd00::1:0:a:0:b/64',
      '10.1.0.5/29 fd00::1:0:a:0:c/64',
      '10.1.0.6/29 fd00::1:0:a:0:d/64',
    ])
    expect(given[5]).toContain('no address is free')
    expect((await callProgram(theirs, 'ADD', config, 'c6')).msg).toContain('no IP addresses available')
    expect(takenIn(config)).toHaveLength(10)
  })

  it('each knows, checks and frees what the other one gave', async () => {
    const config = shared()
    for (const [giver, other] of [
      [theirs, ours],
      [ours, theirs],
    ] as const) {
      const prevResult = await callProgram(giver, 'ADD', config, 'c1')
      expect(prevResult.code).toBeUndefined()
      expect((await callProgram(other, 'ADD', config, 'c1')).msg).toMatch(/has (already )?been allocated to/)
      // The reference frees, on its refusal, what it did not reserve, if an earlier range set worked: none did.
      expect(takenIn(config)).toHaveLength(2)
      expect(await callProgram(other, 'CHECK', { ...config, prevResult }, 'c1')).toEqual({})
      expect(await callProgram(other, 'DEL', config, 'c1')).toEqual({})
      expect(takenIn(config)).toEqual([])
      expect((await callProgram(giver, 'CHECK', { ...config, prevResult }, 'c1')).code).toBeGreaterThan(0)
    }
  })

  it('both at once never hand out one address twice', async () => {
    const config = network({ subnet: '10.1.0.0/24' }, { cniVersion: '1.0.0' })
    const answers = await Promise.all(
      Array.from({ length: 24 }, (_, i) => callProgram(i % 2 === 0 ? ours : theirs, 'ADD', config, `c${i}`)),
    )
    expect(new Set(answers.map(first)).size).toBe(24)
    await Promise.all(answers.map((_, i) => callProgram(i % 2 === 0 ? theirs : ours, 'DEL', config, `c${i}`)))
    expect(takenIn(config)).toEqual([])
  })
})

const MANY = isLong ? 60_000 : 2000

it(`an ADD beside ${MANY} taken addresses gets the next one, and gives it back`, async () => {
  const config = network({ subnet: '10.0.0.0/16' })
  const folder = join(dataDir, config.name)
  mkdirSync(folder)
  const nth = (n: number) => `10.0.${n >> 8}.${n & 255}`
  for (let n = 2; n < MANY + 2; n++) writeFileSync(join(folder, nth(n)), `old${n}\r\neth0`)
  writeFileSync(join(folder, 'last_reserved_ip.0'), nth(MANY + 1))
  for (const [i, id] of ['new1', 'new2'].entries())
    expect(first(await callProgram(ours, 'ADD', config, id))).toBe(`${nth(MANY + 2 + i)}/16`)
  for (const id of ['new1', 'old2']) expect(await callProgram(ours, 'DEL', config, id)).toEqual({})
  expect(takenIn(config)).toHaveLength(MANY)
})
