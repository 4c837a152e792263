import { expect, it } from 'vitest'
import { changes } from '../../src/state/diff.ts'
import { HOST, type Namespace, type NftObject, type State } from '../../src/state/state.ts'

function withRules(...texts: string[]): State {
  const rules: NftObject[] = texts.map((comment, handle) => ({
    rule: {
      family: 'ip',
      table: 'nat',
      chain: 'post',
      handle,
      comment,
      expr: [{ counter: { packets: handle, bytes: 0 } }],
    },
  }))
  const forwarding = { inet: {}, inet6: {} }
  const host: Namespace = {
    inode: 0,
    since: 0,
    links: [],
    routes: [],
    policyRoutes: [],
    forwarding,
    rules,
    sysctls: {},
  }
  return new Map([[HOST, host]])
}

it('a rule that comes to others of its chain, or takes the place of one, is a change', () => {
  const line = 'host: nft rule ip nat post'
  expect(changes(withRules('a'), withRules('a', 'b'))).toEqual({ gone: [], added: [line] })
  expect(changes(withRules('a'), withRules('b'))).toEqual({ gone: [line], added: [line] })
  expect(changes(withRules('a', 'b'), withRules('b', 'a'))).toEqual({ gone: [], added: [] }) // handles and counters alone
})
