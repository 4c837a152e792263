import * as z from 'zod'
import { yesOrNo } from '../../operations/scalars.ts'
import { asText } from '../../visible.ts'
import { BOUNDS } from './bounds.ts'

/** The id of a lab or step: as a file name or shell word it needs no quoting. */
const id = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$/, {
  error:
    'must begin with a letter or digit and contain only letters, digits, _ . -, 64 at most, for example: attach-netns',
})

/** One line of text: a title takes one line of the terminal and of a script, and must not control either. */
const line = z
  .string()
  .regex(/^\P{Cc}*$/u, { error: 'must be one line without control characters, for example: Create a bridge' })

/** Lines of text. Other control characters would reach the terminal. */
const lines = z
  .string()
  .regex(/^[\P{Cc}\n]*$/u, { error: 'must not contain control characters other than line breaks' })

/** A list, with a limit on its length. */
const list = <T extends z.ZodType>(item: T, most: number = BOUNDS.items) =>
  z.array(item).max(most, { error: `has at most ${most} items` })

/** A word of a command: the system would cut it off at a NUL character. */
const wordOfCommand = z.string().regex(/^[^\0]*$/, { error: 'must not contain a NUL character' })

/** A whole number in digits: every scalar of a lab file is read as text. */
const whole = z
  .string()
  .regex(/^\d{1,15}$/, { error: (issue) => `'${asText(issue.input)}' is not a whole number` })
  .transform(Number)

/** A text, or its versions in several languages, by ISO 639 code; English is required. */
const byLanguage = (one: z.ZodType<string>) => z.object({ en: one }).catchall(one)
const inLanguages = (one: z.ZodType<string>) => z.union([one, byLanguage(one)])
const title = inLanguages(line)
/** Markdown. */
const text = inLanguages(lines)
/** A text of a lab file: one for all languages, or one for each, by ISO 639 code. */
export type Localized = z.infer<typeof text>

/** The definition of a parameter. */
const parameterSchema = z.strictObject({
  type: z.enum(['netns', 'interface', 'subnet', 'address', 'number']),
  default: z.string(),
  text,
  /** For an address: the earlier parameter that holds its subnet. */
  in: z.string().optional(),
  /** For a number: its bounds, and why. */
  min: whole.optional(),
  max: whole.optional(),
  limit: text.optional(),
})
/** The definition of a parameter, as it is in a lab file. */
export type ParameterDefinition = z.infer<typeof parameterSchema>

/** A program to run, as an argv, without a shell. `netns` says where; by default on the host. */
const commandSchema = z.strictObject({
  argv: list(wordOfCommand).min(1, 'a command has at least one word'),
  netns: z.string().optional(),
})

/** One kind with its parameters, and other keys: an operation or an assertion, which their registries parse. */
const itemSchema = z.record(z.string(), z.unknown())

/** When a text is true, or a command wanted: checks, all of which must hold then. */
const conditionSchema = z.union([itemSchema, list(itemSchema)]).optional()

/**
 * A command of a step. `exit`: the status with which it ends, or `any`; without it, a command that fails is a failure. `if`:
 * for one that changes something, when that is still to be done.
 */
const runSchema = commandSchema.extend({
  if: conditionSchema,
  exit: z
    .string()
    .regex(/^(any|\d{1,3})$/, {
      error: (issue) => `'${asText(issue.input)}' is neither an exit status, for example 1, nor the word any`,
    })
    .default('0'),
})

/** A question before or after a step. After the answer, `try` is run, so that the kernel itself replies. */
const questionSchema = z.strictObject({
  ask: text,
  choices: list(title).min(2, 'a question has at least two choices'),
  /** The number of the right choice, from 1. */
  answer: whole,
  why: text,
  try: commandSchema.optional(),
  at: z.enum(['before', 'after']).default('after'),
})

/** A hint, and when it is true. */
const hintSchema = z.union([lines, z.strictObject({ text, if: conditionSchema }), byLanguage(lines)])

/** A hint for the failure of a finding with this id, in which `*` matches anything. */
const failureSchema = z.strictObject({
  finding: z.string(),
  /** Only if the finding's `actual` contains this text. */
  actual: z.string().optional(),
  if: conditionSchema,
  text,
})

const stepSchema = z
  .strictObject({
    id,
    title,
    text,
    /** For those who want to know more. */
    more: text.optional(),
    /** Checks that hold only before the step: they are shown, and judged, just before it is done. */
    before: list(itemSchema).default([]),
    /**
     * Each a kind of operation with its parameters, and optionally `repeat`, to do it for i = 1, 2, …, and `until`, the
     * later step from which on it need not be so any more.
     */
    operations: list(itemSchema).default([]),
    /** Instead of `operations`: one way of many to make the checks true. It is neither shown nor checked. */
    solution: list(itemSchema).default([]),
    /** Run after the operations, to see something or to cause traffic. */
    run: list(runSchema).default([]),
    /** They hold to the end of the lab, or to the step that `until` names. */
    checks: list(itemSchema).default([]),
    /** From a nudge to nearly the solution. */
    hints: list(hintSchema).default([]),
    when: list(failureSchema).default([]),
    questions: list(questionSchema).default([]),
    /** Namespaces and interfaces to highlight in the picture. */
    focus: list(z.string()).default([]),
  })
  .check((ctx) => {
    const { operations, solution, run, checks } = ctx.value
    const message =
      operations.length > 0 && solution.length > 0
        ? 'a step has operations, which are checked, or a solution, which is not: not both'
        : operations.length + solution.length + run.length === 0
          ? 'a step has at least one operation, or a solution, or a command to run'
          : operations.length + checks.length === 0
            ? 'a step has operations or checks: otherwise it could never be done'
            : undefined
    if (message !== undefined) ctx.issues.push({ code: 'custom', message, input: ctx.value, path: [] })
  })

/** A lab file, version 1. */
export const labSchema = z.strictObject({
  version: z.literal('1', { error: 'version must be 1' }),
  id,
  title,
  text,
  /** Whether it is an exam: then nothing shows a solution unless the learner gives up. */
  exam: yesOrNo.default(false),
  /** Its position in the list of labs that ship. */
  order: whole.optional(),
  parameters: z
    .record(z.string(), parameterSchema)
    .refine((all) => Object.keys(all).length <= BOUNDS.parameters, `has at most ${BOUNDS.parameters} of them`)
    .default({}),
  /** The state in which the learner begins. */
  start: list(itemSchema).default([]),
  steps: list(stepSchema, BOUNDS.steps).min(1, 'a lab has at least one step'),
  /** What was learned, for the end. */
  learned: text.optional(),
  /** The documents that it is based on. */
  links: list(
    z.strictObject({ title, url: line.regex(/^https:\/\/\S+$/, { error: 'must begin with https://' }) }),
  ).default([]),
})
/** A lab file after parsing, before its parameters have values and its operations their kinds. */
export type LabFile = z.infer<typeof labSchema>
