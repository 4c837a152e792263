import * as z from 'zod'

/** A whole number, written as such: every scalar of a lab file is read as text. */
const whole = z
  .string()
  .regex(/^\d+$/, { error: (issue) => `'${String(issue.input)}' is not a whole number` })
  .transform(Number)

/** What a parameter may hold. */
const parameterSchema = z.strictObject({
  type: z.enum(['netns', 'interface', 'subnet', 'address', 'number']),
  default: z.string(),
  text: z.string(),
  /** For an address: the parameter that holds its subnet. */
  in: z.string().optional(),
  /** For a number: its bounds, and why. */
  min: whole.optional(),
  max: whole.optional(),
  limit: z.string().optional(),
})
export type ParameterDefinition = z.infer<typeof parameterSchema>

/** One answer from one namespace to another address, by ping. */
const pingSchema = z.strictObject({ from: z.string(), to: z.string() })
/** The source address that the internet sees when `from` calls it. */
const seenSchema = z.strictObject({ from: z.string(), as: z.string() })

/** Something that must be true of real packets; `not` turns it round. Values may hold `${…}`. */
export const assertionSchema = z.union(
  [
    z.strictObject({ ping: pingSchema }),
    z.strictObject({ seen: seenSchema }),
    z.strictObject({ not: z.strictObject({ ping: pingSchema }) }),
  ],
  { error: 'a check is one of: ping: {from, to}, seen: {from, as}, not: {ping: {from, to}}' },
)
export type Assertion = z.infer<typeof assertionSchema>

const stepSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  text: z.string(),
  /** Holds only before the step: shown, and judged, just before it is done. */
  before: z.array(assertionSchema).default([]),
  /** Each: the kind of operation with its parameters and, if it is to be done for i = 1, 2, …, `repeat` times. */
  operations: z.array(z.record(z.string(), z.unknown())).min(1, 'a step has at least one operation'),
  checks: z.array(assertionSchema).default([]),
})

/** A lab file, version 1. */
export const labSchema = z.strictObject({
  version: z.literal('1', { error: 'version must be 1' }),
  id: z.string(),
  title: z.string(),
  text: z.string(),
  parameters: z.record(z.string(), parameterSchema).default({}),
  steps: z.array(stepSchema).min(1, 'a lab has at least one step'),
})
export type LabFile = z.infer<typeof labSchema>
