import * as z from 'zod'
import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { labSchema } from './schema.ts'

/** A JSON Schema, or a part of one. */
export type JsonSchema = Record<string, unknown>

/** We read every value of a lab file as text, so YAML's numbers and booleans will do as well, and so will `${…}`. */
const SCALAR = { type: ['string', 'number', 'boolean'] }

/**
 * The JSON Schema of lab files, for editors: derived from the schemas that parse them. It does not check the text of a
 * value, which may hold `${…}`.
 */
export function editorSchema(): JsonSchema {
  const lab = jsonSchema(labSchema)
  const repeat = { ...SCALAR, description: 'how many times to do it; ${i} counts them from 1' }
  const wait = { ...SCALAR, description: 'for how many seconds to retry it, at most' }
  const until = { ...SCALAR, description: 'the id of a later step, from which on it need not hold any more' }
  const operation = oneOf(kinds, { repeat, until })
  const check = oneOf(assertionKinds, { wait, until })
  const schema = replaceNumbers(lab)
  return {
    $id: 'cnilab/lab.schema.json',
    title: 'A lab of cnilab',
    ...replaceItems(schema),
    $defs: {
      operation,
      check: { oneOf: [check, { ...object({ not: { $ref: '#/$defs/check' }, wait, until }, ['not']) }] },
    },
  }
}

function jsonSchema(schema: z.ZodType): JsonSchema {
  return z.record(z.string(), z.unknown()).parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}

function object(properties: JsonSchema, required: readonly string[]): JsonSchema {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** An item with one of several kinds as a key, and optional other keys. */
function oneOf(all: Readonly<Record<string, DescribedKind>>, others: JsonSchema): JsonSchema {
  return {
    oneOf: Object.entries(all).map(([kind, { title, params }]) =>
      object({ [kind]: { description: title, ...inLab(schemaOf(params)) }, ...others }, [kind]),
    ),
  }
}

/** The JSON Schema of a kind's parameters, except for the mark, which is not for lab authors. */
export function schemaOf(params: z.ZodType): JsonSchema {
  const { properties, ...rest } = z
    .looseObject({ properties: z.record(z.string(), z.unknown()) })
    .parse(jsonSchema(params))
  return { ...rest, properties: Object.fromEntries(Object.entries(properties).filter(([key]) => key !== 'mark')) }
}

/** The parts of a JSON Schema's node that we read. */
export const nodeSchema = z.looseObject({
  type: z.unknown(),
  description: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  items: z.unknown(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
})

/** Turns a schema of parsed values into one of a lab file's: lists and maps stay, every scalar may be text. */
function inLab(schema: unknown): JsonSchema {
  const { type, description, items, properties, required = [], enum: words } = nodeSchema.partial().parse(schema)
  const about = description === undefined ? {} : { description }
  if (type === 'object' && properties) {
    const own = Object.entries(properties).map(([key, value]) => [key, inLab(value)] as const)
    return { ...object(Object.fromEntries(own), required), ...about }
  }
  if (type === 'array') return { type: 'array', items: inLab(items), ...about }
  return words ? { anyOf: [{ enum: words }, { type: 'string', pattern: '\\$\\{' }], ...about } : { ...SCALAR, ...about }
}

/** A kind of operation or check, as far as its documentation goes. */
export interface DescribedKind {
  title: string
  params: z.ZodType
}

/** Accepts any scalar instead of text: `order: 1` as well as `order: "1"`. */
function replaceNumbers(tree: unknown): JsonSchema {
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null) return node
    const entries = Object.entries(node)
    const { type, const: constant } = z.looseObject({ type: z.unknown(), const: z.unknown() }).partial().parse(node)
    if (constant === '1') return { enum: [1, '1'] }
    if (type === 'string' && !entries.some(([key]) => key === 'enum')) return { ...node, ...SCALAR }
    return Object.fromEntries(entries.map(([key, value]) => [key, walk(value)]))
  }
  return z.record(z.string(), z.unknown()).parse(walk(tree))
}

/** Inserts the kinds where the lab's own schema accepts any item. */
function replaceItems(tree: JsonSchema): JsonSchema {
  const lists: Record<string, string> = {
    operations: 'operation',
    solution: 'operation',
    start: 'operation',
    before: 'check',
    checks: 'check',
  }
  const check = { $ref: '#/$defs/check' }
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => {
        const definition = lists[key]
        if (key === 'if') return [key, { anyOf: [check, { type: 'array', items: check }] }]
        return [
          key,
          definition === undefined || typeof value !== 'object'
            ? walk(value)
            : { type: 'array', items: { $ref: `#/$defs/${definition}` } },
        ]
      }),
    )
  }
  return z.record(z.string(), z.unknown()).parse(walk(tree))
}
