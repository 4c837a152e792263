import * as z from 'zod'
import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { labSchema } from './schema.ts'

type Json = Record<string, unknown>

/** A value of a lab file is text for us; YAML's own numbers and yes and no are as good, and so is `${…}`. */
const SCALAR = { type: ['string', 'number', 'boolean'] }

/**
 * The JSON Schema of lab files, for editors: derived from the schemas that read them. What the values of operations and
 * checks may be is checked when their `${…}` are filled in, and not here.
 */
export function editorSchema(): Json {
  const lab = jsonSchema(labSchema)
  const operation = oneOf(kinds, { repeat: SCALAR }, ['mark'])
  const check = oneOf(assertionKinds, { wait: SCALAR })
  const schema = replaceNumbers(lab)
  return {
    $id: 'cnilab/lab.schema.json',
    title: 'A lab of cnilab',
    ...replaceItems(schema),
    $defs: {
      operation,
      check: { oneOf: [check, { ...object({ not: { $ref: '#/$defs/check' }, wait: SCALAR }, ['not']) }] },
    },
  }
}

function jsonSchema(schema: z.ZodType): Json {
  return z.record(z.string(), z.unknown()).parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}

function object(properties: Json, required: readonly string[]): Json {
  return { type: 'object', properties, required, additionalProperties: false }
}

/** An item that names one of several kinds with its parameters, and may have other keys besides. */
function oneOf(
  all: Readonly<Record<string, { params: z.ZodType }>>,
  besides: Json,
  hidden: readonly string[] = [],
): Json {
  return {
    oneOf: Object.entries(all).map(([kind, { params }]) => {
      const { properties = {}, required = [] } = paramsSchema.parse(jsonSchema(params))
      const known = Object.keys(properties).filter((key) => !hidden.includes(key))
      const own = object(Object.fromEntries(known.map((key) => [key, SCALAR])), required)
      return object({ [kind]: own, ...besides }, [kind])
    }),
  }
}

const paramsSchema = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
})

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
