import * as fc from 'fast-check'
import { readText } from '../../src/kernel/read-file.ts'
import { kinds } from '../../src/operations/registry.ts'
import { json, mostly, mutated, objectOf, text } from './arbitraries.ts'
import { alone } from './operations.ts'

const operation = alone(kinds).map(([kind, params]) => ({ kind, params }))
const before = objectOf({ value: text, inode: fc.nat(), intended: fc.nat() })
const ids = fc.constantFrom('1', '2', '3')
const line = fc.oneof(
  { weight: 4, arbitrary: objectOf({ intent: ids, operation, before }, ['intent', 'operation', 'before']) },
  objectOf({ adopted: ids, operation }),
  objectOf({ created: ids, inode: fc.nat() }),
  objectOf({ undone: ids }),
  fc.constant({ boot: 'another' }),
  json,
)
const boot = JSON.stringify({ boot: readText('/proc/sys/kernel/random/boot_id').trim() })
/** The journal of a host, of this boot. */
export const journal = mutated(
  fc.array(line, { maxLength: 6 }).map((lines) => [boot, ...lines.map((one) => JSON.stringify(one))].join('\n')),
)

const started = fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-01-01T00:00:00Z')
/** The file of a lab's progress. */
export const progress = mutated(
  mostly<unknown>(
    objectOf(
      {
        version: fc.constant(1),
        lab: fc.constantFrom('eight-steps', '/tmp/x.yaml'),
        set: fc.array(text, { maxLength: 2 }),
        started,
        written: started,
        steps: fc.dictionary(
          text,
          objectOf({
            done: started,
            hints: fc.nat(5),
            solved: fc.boolean(),
            skipped: fc.boolean(),
            answers: fc.dictionary(text, fc.boolean()),
          }),
        ),
      },
      ['version', 'lab', 'set', 'started', 'written', 'steps'],
    ),
    json,
    20,
  ).map((one) => JSON.stringify(one)),
)
