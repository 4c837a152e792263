import { Flags } from '@oclif/core'
import { word } from './word.ts'

/** The flag for screen readers. */
export const plainFlag = Flags.boolean({ description: 'draw without box characters and symbols, for screen readers' })

/** The argument that names a step of the running lab. */
export function stepArgument(what: string) {
  return word({ description: `${what}: its id, or its number` })
}
