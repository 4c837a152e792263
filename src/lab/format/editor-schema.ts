import * as z from 'zod'
import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { labSchema } from './schema.ts'

/** A JSON Schema, or a part of one. */
export type Json = Record<string, unknown>

/** A value of a lab file is text for us; YAML's own numbers and yes and no are as good, and so is `${…}`. */
const SCALAR = { type: ['string', 'number', 'boolean'] }

/**
 * The JSON Schema of lab files, for editors: derived from the schemas that read them. Which texts a value may be is checked
 * when its `${…}` are filled in, and not here.
 */
export function editorSchema(): Json {
  const lab = jsonSchema(labSchema)
  const repeat = { ...SCALAR, description: 'how often it is done, with ${i} as the number of each' }
  const wait = { ...SCALAR, description: 'for so many seconds it is tried again at most' }
  const operation = oneOf(kinds, { repeat })
  const check = oneOf(assertionKinds, { wait })
  const schema = replaceNumbers(lab)
  return {
    $id: 'cnilab/lab.schema.json',
    title: 'A lab of cnilab',
    ...replaceItems(schema),
    $defs: {
      operation,
      check: { oneOf: [check, { ...object({ not: { $ref: '#/$defs/check' }, wait }, ['not']) }] },
    },
  }
}

function jsonSchema(schema: z.ZodType): Json {
  return z.record(z.string(), z.unknown()).parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}

function object(properties: Json, required: readonly string[]): Json {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** An item that names one of several kinds with its parameters, and may have other keys, too. */
function oneOf(all: Readonly<Record<string, Described>>, others: Json): Json {
  return {
    oneOf: Object.entries(all).map(([kind, { title, params }]) =>
      object({ [kind]: { description: title, ...inLab(schemaOf(params)) }, ...others }, [kind]),
    ),
  }
}

/** The schema of a kind's parameters without what is not for people: a mark, by which cnilab recognises what it made. */
export function schemaOf(params: z.ZodType): Json {
  const { properties, ...rest } = z
    .looseObject({ properties: z.record(z.string(), z.unknown()) })
    .parse(jsonSchema(params))
  return { ...rest, properties: Object.fromEntries(Object.entries(properties).filter(([key]) => key !== 'mark')) }
}

/** What is read of a node of a JSON Schema. */
export const nodeSchema = z.looseObject({
  type: z.unknown(),
  description: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  items: z.unknown(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
})

/** A schema of parsed values as one of what a lab file holds: lists and maps as they are, every scalar as text. */
function inLab(schema: unknown): Json {
  const { type, description, items, properties, required = [], enum: words } = nodeSchema.partial().parse(schema)
  const about = description === undefined ? {} : { description }
  if (type === 'object' && properties) {
    const own = Object.entries(properties).map(([key, value]) => [key, inLab(value)] as const)
    return { ...object(Object.fromEntries(own), required), ...about }
  }
  if (type === 'array') return { type: 'array', items: inLab(items), ...about }
  return words ? { anyOf: [{ enum: words }, { type: 'string', pattern: '\\$\\{' }], ...about } : { ...SCALAR, ...about }
}

/** A kind of operations or checks. */
export interface Described {
  title: string
  params: z.ZodType
}

/** Every scalar is read as text: `order: 1` as well as `order: "1"`. */
function replaceNumbers(tree: unknown): Json {
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

/** Puts the kinds in where the lab's own schema takes any item. */
function replaceItems(tree: Json): Json {
  const lists: Record<string, string> = {
    operations: 'operation',
    solution: 'operation',
    start: 'operation',
    before: 'check',
    checks: 'check',
  }
  const walk = (node: unknown): unknown => {
    if (Array.isArray(node)) return node.map(walk)
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(
      Object.entries(node).map(([key, value]) => {
        const definition = lists[key]
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
