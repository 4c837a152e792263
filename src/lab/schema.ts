import * as z from 'zod'
import { anyNetns, ipAddress } from '../operations/names.ts'
import { HOST } from '../state/state.ts'

/** What labs and steps are called: file names and shell words need no quoting then. */
const id = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/, {
  error:
    'must begin with a letter or digit and contain only letters, digits, _ . -, 64 at most, for example: attach-netns',
})

/** One line of text: a title stands in one line of the terminal and of a script, and must not steer either. */
const line = z
  .string()
  .regex(/^\P{Cc}*$/u, { error: 'must be one line without control characters, for example: Create a bridge' })

/** Any lines of text. Other control characters would reach the terminal. */
const lines = z
  .string()
  .regex(/^[\P{Cc}\n]*$/u, { error: 'must not contain control characters other than line breaks' })

/** A whole number, written as such: every scalar of a lab file is read as text. */
const whole = z
  .string()
  .regex(/^\d+$/, { error: (issue) => `'${String(issue.input)}' is not a whole number` })
  .transform(Number)

/** What a parameter may hold. */
const parameterSchema = z.strictObject({
  type: z.enum(['netns', 'interface', 'subnet', 'address', 'number']),
  default: z.string(),
  text: lines,
  /** For an address: the earlier parameter that holds its subnet. */
  in: z.string().optional(),
  /** For a number: its bounds, and why. */
  min: whole.optional(),
  max: whole.optional(),
  limit: lines.optional(),
})
export type ParameterDefinition = z.infer<typeof parameterSchema>

interface Values {
  pinger: z.ZodType<string>
  netns: z.ZodType<string>
  address: z.ZodType<string>
}

function assertionsOf({ pinger, netns, address }: Values) {
  /** One answer from one namespace, or the host, to another address, by ping. */
  const ping = z.strictObject({ ping: z.strictObject({ from: pinger, to: address }) })
  /** The source address that the internet sees when `from` calls it. */
  const seen = z.strictObject({ seen: z.strictObject({ from: netns, as: address }) })
  return { ping, seen, not: z.strictObject({ not: ping }) }
}

const unfilled = assertionsOf({ pinger: z.string(), netns: z.string(), address: z.string() })
const filled = assertionsOf({
  pinger: z.union([z.literal(HOST), anyNetns], {
    error: (issue) => `'${String(issue.input)}' is not a namespace, for example: red or ${HOST}`,
  }),
  netns: anyNetns,
  address: ipAddress,
})

/** Something that must be true of real packets; `not` turns it round. Values may hold `${…}`. */
const assertionSchema = z.union([unfilled.ping, unfilled.seen, unfilled.not], {
  error: 'a check is one of: ping: {from, to}, seen: {from, as}, not: {ping: {from, to}}',
})
export type Assertion = z.infer<typeof assertionSchema>

/** What an assertion must be once its `${…}` are filled in. Not a union, which would not say which value is wrong. */
export function filledSchema(assertion: Assertion): z.ZodType<Assertion> {
  return 'ping' in assertion ? filled.ping : 'seen' in assertion ? filled.seen : filled.not
}

const stepSchema = z.strictObject({
  id,
  title: line,
  text: lines,
  /** Holds only before the step: shown, and judged, just before it is done. */
  before: z.array(assertionSchema).default([]),
  /** Each: the kind of operation with its parameters and, if it is to be done for i = 1, 2, …, `repeat` times. */
  operations: z.array(z.record(z.string(), z.unknown())).min(1, 'a step has at least one operation'),
  checks: z.array(assertionSchema).default([]),
})

/** A lab file, version 1. */
export const labSchema = z.strictObject({
  version: z.literal('1', { error: 'version must be 1' }),
  id,
  title: line,
  text: lines,
  parameters: z.record(z.string(), parameterSchema).default({}),
  steps: z.array(stepSchema).min(1, 'a lab has at least one step'),
})
export type LabFile = z.infer<typeof labSchema>
