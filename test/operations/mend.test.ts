import { describe, expect, it } from 'vitest'
import { doPlan } from '../../src/engine/do.ts'
import { mendPlan, planMending } from '../../src/engine/mend.ts'
import { bindOperation, kinds, parseOperation } from '../../src/operations/registry.ts'
import type { Command } from '../../src/operations/operation.ts'
import { toLine } from '../../src/plan/command-line.ts'
import { scopeOf } from '../../src/plan/scope.ts'
import { withSandbox } from '../helpers.ts'
import { some } from '../long.ts'
import { type Item, KEPT, LOST, MOVED, WRONG } from './wrong-states.ts'

const toLines = ({ commands }: { commands: readonly Command[] }) => commands.map((command) => toLine(command, '1'))

describe('from a wrong state to the right one', () => {
  it.each(WRONG)('%s', (_, before, shell, [kind, params]) =>
    withSandbox(async (kernel) => {
      const needed = before.map(([one, its]) => parseOperation(one, its))
      await mendPlan(kernel, needed)
      expect(await kernel.probe(['sh', '-c', shell])).toMatchObject({ stderr: '' })
      const operation = parseOperation(kind, params)
      const bound = bindOperation(operation)
      const status = async () => bound.judge(await kernel.read(scopeOf([bound]))).status
      expect(await status()).not.toBe('present')
      await mendPlan(kernel, [operation])
      expect(await status()).toBe('present')
      expect((await mendPlan(kernel, [operation])).done).toMatchObject([{ status: 'already', commands: [] }])
    }),
  )

  it.each([
    ...some(WRONG, 2).map(
      ([wrong, before, shell, operation]) => [wrong, [...before, operation], before.length, shell] as const,
    ),
    ...LOST.map(([wrong, plan, shell]) => [wrong, plan, plan.length, shell] as const),
  ])('what that takes is known before, all of it: %s', (_, items, count, shell) =>
    withSandbox(async (kernel) => {
      const plan = items.map(([kind, params]) => parseOperation(kind, params))
      await mendPlan(kernel, plan.slice(0, count))
      expect(await kernel.probe(['sh', '-ec', shell])).toMatchObject({ stderr: '' })
      const { done: planned } = await planMending(kernel, plan)
      const { done } = await mendPlan(kernel, plan)
      const commandsOf = (all: typeof done) =>
        plan.map((operation) => all.filter((one) => one.operation.id === bindOperation(operation).id).flatMap(toLines))
      expect(commandsOf(planned)).toEqual(commandsOf(done))
      expect(planned.flatMap(toLines)).not.toEqual([])
      expect((await planMending(kernel, plan)).done.flatMap(toLines)).toEqual([])
    }),
  )

  it.each(KEPT)('what is on a cable stays: %s', (_, [kind, params], shell, look, expected) =>
    withSandbox(async (kernel) => {
      expect(await kernel.probe(['sh', '-ec', `ip netns add red; ${shell}`])).toMatchObject({ stderr: '' })
      await mendPlan(kernel, [parseOperation(kind, params)])
      const { stdout } = await kernel.probe(['sh', '-ec', look])
      for (const one of expected) expect(stdout.replaceAll(' linkdown', '')).toContain(one)
    }),
  )

  it.each(MOVED)('repeating it changes nothing: %s', (_, plan, shell, look, expected) =>
    withSandbox(async (kernel) => {
      const operations = plan.map(([kind, params]) => parseOperation(kind, params))
      expect(await kernel.probe(['sh', '-ec', shell])).toMatchObject({ stderr: '' })
      await mendPlan(kernel, operations)
      const { done } = await mendPlan(kernel, operations)
      expect(done.map(({ status }) => status)).toEqual(plan.map(() => 'already'))
      expect((await planMending(kernel, operations)).done.flatMap(toLines)).toEqual([])
      expect((await kernel.probe(['sh', '-ec', look])).stdout.trim()).toMatch(expected)
    }),
  )

  it('is tried of every kind', () => {
    const tried = new Set<string>(WRONG.map(([, , , [kind]]) => kind))
    // The second kernel has VLANs and dummies. A masquerade of somebody else counts as one.
    expect(Object.keys(kinds).filter((kind) => !tried.has(kind))).toEqual([
      'masquerade',
      'port-vlans',
      'vlan',
      'ipvlan',
      'dummy',
    ])
  })

  it('ends where operations contradict each other', () =>
    withSandbox(async (kernel) => {
      const plan: Item[] = [
        ['veth', { name: 'a', peer: 'b' }],
        ['veth', { name: 'a', peer: 'c' }],
      ]
      const operations = plan.map(([kind, params]) => parseOperation(kind, params))
      await mendPlan(kernel, operations.slice(0, 1))
      await expect(mendPlan(kernel, operations)).rejects.toThrow('take something away from each other')
    }))

  it('knows the uplink by more than its address', () =>
    withSandbox(async (kernel) => {
      const script = 'ip netns add red; ip address add 203.0.113.2/24 dev lo'
      expect(await kernel.probe(['sh', '-ec', script])).toMatchObject({ stderr: '' })
      const moving = parseOperation('attach-netns', { ifname: 'eth0', netns: 'red' })
      await expect(doPlan(kernel, [moving])).rejects.toThrow("eth0 is the sandbox's uplink")
    }))

  it('never takes the way out for something in the way', () =>
    withSandbox(async (kernel) => {
      const before = await kernel.read()
      for (const [kind, params] of [
        ['bridge', { name: 'eth0' }],
        ['veth', { name: 'eth0', peer: 'x' }],
        ['macvlan', { name: 'eth0', parent: 'lo' }],
      ] satisfies Item[])
        await expect(mendPlan(kernel, [parseOperation(kind, params)])).rejects.toThrow(/eth0/)
      expect((await kernel.read()).get('host')?.links).toEqual(before.get('host')?.links)
    }))
})
