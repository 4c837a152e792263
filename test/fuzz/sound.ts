import { type Assertion, bindAssertion } from '../../src/assertions/registry.ts'
import { HOST_PID } from '../../src/operations/operation.ts'
import { bindOperation, type Operation } from '../../src/operations/registry.ts'
import { HOST, type State } from '../../src/state/state.ts'
import { expectClean } from './invariants.ts'
import { visible } from '../../src/visible.ts'

const empty = {
  inode: 0,
  since: 0,
  links: [],
  routes: [],
  policyRoutes: [],
  forwarding: { inet: {}, inet6: {} },
  rules: [],
  sysctls: {},
}
const bare: State = new Map([[HOST, empty]])

/** What a check says, and whom it calls. */
export function expectSoundCheck(assertion: Assertion): void {
  const { id, what, expected, test } = bindAssertion(assertion)
  // The value that is asked for may be any text: whoever shows it makes it visible.
  expectClean(visible([id, what, expected].join('\n')))
  if (test.by === 'state') expectClean(visible(test.judge(bare).actual))
  if (test.by === 'reading' && test.reading.argv.some((word) => word.includes('\0'))) throw new Error('a NUL character')
}

/** What a lab may ask for, every member of its kind can bear, and the tools that run in batches read as it is meant. */
export function expectSound(operation: Operation): void {
  const bound = bindOperation(operation)
  const { id, explain, expected, apply, needs, provides } = bound
  const verdict = bound.judge(bare)
  expectClean([id, explain.what, explain.why, expected, verdict.actual, ...needs, ...provides].join('\n'))
  bound.undo({}, bare)
  for (const { tool, argv } of apply) {
    const words = argv.filter((word) => word !== HOST_PID)
    const line = words.join(' ').replaceAll(/"[^"\\\n]*"/g, '') // comments of nftables
    const misread = tool === 'nft' ? /[^\w\s@.:/{},;!=<>*+-]/ : tool === 'sysctl' ? /[\s\0]/ : /["'#\\\n\0]/
    const odd = tool === 'nft' ? misread.test(line) : words.some((word) => misread.test(word))
    if (odd) throw new Error(`${tool} would misread ${JSON.stringify(words)}`)
  }
}
