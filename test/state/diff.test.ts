import { expect, it } from 'vitest'
import { summarize } from '../../src/state/diff.ts'
import { parseRouted } from '../../src/state/parse.ts'
import { parseRuleset } from '../../src/state/parse-ruleset.ts'
import { HOST } from '../../src/state/state.ts'
import { withSandbox } from '../helpers.ts'

it('names a rule by its place, whatever else nft says of it', () => {
  const rules = parseRuleset(
    JSON.stringify({
      nftables: [
        { metainfo: {} },
        { rule: { family: 'ip', table: 'nat', chain: 'x', expr: [] } },
        { rule: 1 },
        { set: {} },
        {},
      ],
    }),
  )
  const state = new Map([[HOST, { ...parseRouted([]), inode: 0, since: 0, rules, sysctls: {} }]])
  expect(summarize(state)).toEqual([
    'host: namespace',
    'host: nft ',
    'host: nft rule',
    'host: nft rule ip nat x',
    'host: nft set',
  ])
})

it('takes no name for a rule', () =>
  withSandbox(async (kernel) => {
    const script = `ip netns add 'a: nft {'; ip -n 'a: nft {' link add name 'x}' type bridge
ip -n 'a: nft {' address add 10.9.0.1/24 dev 'x}'; ip -n 'a: nft {' link set dev 'x}' up`
    expect((await kernel.probe(['sh', '-ec', script])).stderr).toBe('')
    expect(summarize(await kernel.read())).toContain('a: nft {: route 10.9.0.0/24 dev x}')
  }))
