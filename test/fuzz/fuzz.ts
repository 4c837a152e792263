import * as fc from 'fast-check'
import { it } from 'vitest'
import { isLong } from '../long.ts'

/** A run of the tests tries the same cases each time, on every machine: as many as there is time for. */
const SEED = 1_127_203_113
const FACTOR = isLong ? 20 : 0.5

/** No case may take longer, in milliseconds. */
const LONGEST = 10_000

/**
 * A test that makes up cases and expects `check` to bear each of them, for so many seconds, half of which `npm test` takes,
 * and `npm run fuzz` twenty times as many. It says the seed, and of a case that fails how to repeat it: FUZZ_SEED and FUZZ_PATH. `check` returns what
 * became of a case, in a word, or several with `, ` between them; how often each came is said, too, since cases that are all alike would prove nothing.
 */
export function fuzz<T>(
  name: string,
  seconds: number,
  cases: fc.Arbitrary<T>,
  check: (value: T) => string | Promise<string>,
): void {
  // oxlint-disable-next-line vitest/expect-expect, vitest/valid-title -- `check` expects, and `name` is what it says
  it(name, { timeout: seconds * FACTOR * 1000 + 120_000 }, async () => {
    const path = process.env['FUZZ_PATH']
    const seed = Number(process.env['FUZZ_SEED'] ?? (isLong ? Date.now() % 2 ** 31 : SEED))
    const outcomes = new Map<string, number>()
    let last = Promise.resolve('')
    const property = fc.asyncProperty(cases, async (value) => {
      const started = performance.now()
      last = Promise.resolve(check(value))
      const outcome = await last
      for (const word of outcome.split(', ')) outcomes.set(word, (outcomes.get(word) ?? 0) + 1)
      const ms = performance.now() - started
      if (ms > LONGEST) throw new Error(`it took ${Math.round(ms / 1000)} s`)
    })
    const details = await fc.check(property, {
      seed,
      ...(path === undefined ? {} : { path }),
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: seconds * FACTOR * 1000,
    })
    const counts = [...outcomes].map(([outcome, count]) => `${outcome} ${count}`)
    console.log(`${name}: ${details.numRuns} cases, seed ${seed}: ${counts.toSorted().join(', ')}`)
    // The case during which the time was up goes on, and what it made must not outlive the test.
    if (!details.failed) {
      await last
      return
    }
    const again = `FUZZ_SEED=${details.seed} FUZZ_PATH=${details.counterexamplePath ?? ''} npm run fuzz -- -t '${name}'`
    throw new Error(`${fc.defaultReportMessage(details) ?? 'failed'}\n\nto repeat it: ${again}`, {
      cause: details.errorInstance,
    })
  })
}
