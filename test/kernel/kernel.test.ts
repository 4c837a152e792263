import { expect, it } from 'vitest'
import { HOST } from '../../src/state/state.ts'
import { withSandbox } from '../helpers.ts'

it('does not take what a failed batch left unread for the next program', () =>
  withSandbox(async (kernel) => {
    const add = (name: string) => ({ tool: 'ip', argv: ['link', 'add', 'name', name, 'type', 'bridge'] }) as const
    const plan = ['lo', ...Array.from({ length: 190 }, (_, i) => `br${i}`)].map(add)
    await expect(kernel.run(plan)).rejects.toThrow('File exists')
    const { code, stdout } = await kernel.probe(['echo', 'still', 'right'])
    expect([code, stdout]).toEqual([0, 'still right\n'])
  }))

it('reads on when a file in /run/netns is no namespace', () =>
  withSandbox(async (kernel) => {
    await kernel.run(['red', 'blue', 'green', 'grey'].map((name) => ({ tool: 'ip', argv: ['netns', 'add', name] })))
    await kernel.probe(['touch', '/run/netns/stale'])
    const state = await kernel.read()
    expect([state.has('stale'), state.get(HOST)?.strays]).toEqual([false, ['stale']])
    expect(state.get('red')?.links.map(({ name }) => name)).toEqual(['lo'])
  }))

it('stops a program that prints more than anybody reads, and reads on', () =>
  withSandbox(async (kernel) => {
    await expect(kernel.probe(['head', '-c', '200M', '/dev/zero'])).rejects.toThrow('printed more than 128 MB')
    const { code, stdout } = await kernel.probe(['head', '-c', '20M', '/dev/zero'])
    expect([code, stdout.length]).toEqual([0, 20 * 1024 * 1024])
  }))
