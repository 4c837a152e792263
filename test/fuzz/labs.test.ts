import * as fc from 'fast-check'
import { CnilabError } from '../../src/errors.ts'
import type { Lab } from '../../src/lab/format/lab.ts'
import { parseLab } from '../../src/lab/format/parse.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { toScript } from '../../src/plan/script.ts'
import { fuzz } from './fuzz.ts'
import { expectClean } from './invariants.ts'
import { labFiles, settings } from './labs.ts'
import { expectSound, expectSoundCheck } from './sound.ts'

fuzz(
  'a lab is read, or a mistake in it is named with its place',
  9,
  fc.record({ yaml: labFiles, set: settings }),
  ({ yaml: source, set: values }) => {
    let read: Lab
    try {
      read = parseLab(source, 'x.yaml', values, 'ko')
    } catch (error) {
      if (!(error instanceof CnilabError) || error.kind !== 'usage') throw error
      if (!/^(x\.yaml:\d+:\d+: |parameter |this lab has no parameter )/.test(error.message)) throw error
      return 'refused'
    }
    const operations = [...read.start, ...read.steps.flatMap((one) => one.operations)]
    for (const one of operations) expectSound(one)
    for (const { before, checks } of read.steps) for (const one of [...before, ...checks]) expectSoundCheck(one)
    const script = toScript(
      read.title,
      read.steps.map(({ title, operations: own }) => ({
        title,
        commands: own.map(bindOperation).flatMap(({ apply }) => apply),
      })),
    )
    expectClean(script)
    // A title is a comment, and a command one line, whatever they hold.
    const isKnown = /^(#|set -eu$|PATH=|mkdir -p |ip |nft |sysctl |bridge |tc |nsenter |$)/
    for (const line of script.split('\n')) if (!isKnown.test(line)) throw new Error(`a line of the script is ${line}`)
    return operations.length > 0 ? 'read, with operations' : 'read'
  },
)
