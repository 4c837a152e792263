import * as z from 'zod'
import { asText } from '../visible.ts'

/** A boolean in a lab file, where every scalar is text. */
export const yesOrNo = z.stringbool({
  truthy: ['true', 'yes'],
  falsy: ['false', 'no'],
  error: (issue) => `'${asText(issue.input)}' is neither true nor false`,
})

/** The kernel's numbers have 32 bits. */
const MOST = 0xffff_ffff

const digits = z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)], {
  error: (issue) => `'${asText(issue.input)}' is not a whole number`,
})

/** A whole number, as JSON or as the text of a lab file. */
export const wholeNumber = digits.refine((n) => n <= MOST, { error: `a number is at most ${MOST}` })

/** The size of the largest packet of an interface, in bytes: IPv4 needs 68, and can say no more than 65535 (RFC 791). */
export const mtuSize = digits.refine((n) => n >= 68 && n <= 65_535, {
  error: 'an MTU is from 68 to 65535 bytes',
})

/** A boolean, as JSON or as the text of a lab file. */
export const flag = z.boolean().or(yesOrNo)

/** The number of a VLAN (IEEE 802.1Q: 0 and 4095 mean something else). */
export const vlanNumber = wholeNumber.pipe(z.int().min(1).max(4094))
