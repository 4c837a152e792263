import { expect, it } from 'vitest'
import { rulesetLines } from '../../src/state/ruleset-lines.ts'
import { sh } from '../cni/plugin.ts'
import { withSandbox } from '../helpers.ts'

const RULESET = `table ip net {
  set containers { type ipv4_addr; flags interval; elements = { 10.1.0.0/24, 10.2.0.1 comment "a, b/{c}" } }
  map ports { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 80 : 10.1.0.2 . 8080 } }
  chain post { type nat hook postrouting priority srcnat; ip saddr @containers counter masquerade; }
}
table inet filter { chain in { ip6 saddr { fd00::1, fd00::2 } drop; }; }`

it('tells of each rule and element where it stands', () =>
  withSandbox(async (kernel) => {
    await sh(kernel, `nft -f - <<'END'\n${RULESET}\nEND`)
    expect(rulesetLines(await sh(kernel, 'nft list ruleset'))).toEqual([
      'nft ip net: table',
      'nft ip net containers: set',
      'nft ip net containers: type ipv4_addr',
      'nft ip net containers: flags interval',
      'nft ip net containers: has 10.1.0.0/24',
      'nft ip net containers: has 10.2.0.1 comment "a, b/{c}"',
      'nft ip net ports: map',
      'nft ip net ports: type inet_proto . inet_service : ipv4_addr . inet_service',
      'nft ip net ports: has tcp . 80 : 10.1.0.2 . 8080',
      'nft ip net post: chain',
      'nft ip net post: type nat hook postrouting priority srcnat; policy accept;',
      'nft ip net post: ip saddr @containers counter masquerade',
      'nft inet filter: table',
      'nft inet filter in: chain',
      'nft inet filter in: ip6 saddr { fd00::1, fd00::2 } drop',
    ])
  }))

it('tells of many elements each', () =>
  withSandbox(async (kernel) => {
    const elements = Array.from({ length: 300 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
    await sh(
      kernel,
      `nft -f - <<'END'\ntable ip t { set s { type ipv4_addr; elements = { ${elements.join(', ')} }; }; }\nEND`,
    )
    const lines = rulesetLines(await sh(kernel, 'nft list ruleset'))
    expect(lines.filter((line) => line.startsWith('nft ip t s: has 10.0.'))).toHaveLength(300)
  }))
