import * as z from 'zod'
import { asText } from '../visible.ts'

/** A boolean in a lab file, where every scalar is text. */
export const yesOrNo = z.stringbool({
  truthy: ['true', 'yes'],
  falsy: ['false', 'no'],
  error: (issue) => `'${asText(issue.input)}' is neither true nor false`,
})

/** A whole number, as JSON or as the text of a lab file. */
export const wholeNumber = z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)], {
  error: (issue) => `'${asText(issue.input)}' is not a whole number`,
})

/** A boolean, as JSON or as the text of a lab file. */
export const flag = z.boolean().or(yesOrNo)

/** The number of a VLAN (IEEE 802.1Q: 0 and 4095 mean something else). */
export const vlanNumber = wholeNumber.pipe(z.int().min(1).max(4094))
