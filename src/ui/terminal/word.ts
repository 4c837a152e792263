import { Args } from '@oclif/core'

/** An argument of one word. Unlike oclif's default, a missing one is never read from standard input. */
export const word = Args.custom({ ignoreStdin: true, parse: (input) => Promise.resolve(input) })
