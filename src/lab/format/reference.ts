import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { type Described, type Json, nodeSchema, schemaOf } from './editor-schema.ts'

/** A parameter of a kind, for people. */
interface Parameter {
  name: string
  about: string
  isRequired: boolean
  /** The words that it may be, where it is one of a few. */
  words: readonly string[]
}

/** What a lab may name: a kind of operations or checks with its parameters. */
export interface Entry {
  kind: string
  title: string
  parameters: readonly Parameter[]
}

/** The reference of operations and checks, from the schemas that read them. */
export function reference(): { operations: Entry[]; checks: Entry[] } {
  const entries = (all: Readonly<Record<string, Described>>) =>
    Object.entries(all).map(([kind, { title, params }]) => ({
      kind,
      title,
      parameters: parametersOf(schemaOf(params)),
    }))
  return { operations: entries(kinds), checks: entries(assertionKinds) }
}

function parametersOf(schema: Json): Parameter[] {
  const { properties = {}, required = [] } = nodeSchema.partial().parse(schema)
  return Object.entries(properties).map(([name, value]) => {
    const { description = '', enum: words = [] } = nodeSchema.partial().parse(value)
    return { name, about: description, isRequired: required.includes(name), words: words.map(String) }
  })
}
