import { Args } from '@oclif/core'

/** An argument that is one word. It is never taken from standard input, as oclif would where it is missing. */
export const word = Args.custom({ ignoreStdin: true, parse: (input) => Promise.resolve(input) })
