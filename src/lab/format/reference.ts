import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { type DescribedKind, nodeSchema, schemaOf } from './editor-schema.ts'

/** The documentation of one parameter of a kind. */
export interface Parameter {
  name: string
  about: string
  isRequired: boolean
  /** The words that it accepts, if there are only a few. */
  words: readonly string[]
  /** Whether it is a list. */
  isList: boolean
  /** The keys of its value, or of each of its items; none if that is a single word. */
  keys: readonly Parameter[]
}

/** The documentation of one kind of operation or check. */
export interface ReferenceEntry {
  kind: string
  title: string
  parameters: readonly Parameter[]
}

/** The reference of operations and checks, from the schemas that parse them. */
export function reference(): { operations: ReferenceEntry[]; checks: ReferenceEntry[] } {
  const entries = (all: Readonly<Record<string, DescribedKind>>) =>
    Object.entries(all).map(([kind, { title, params }]) => ({
      kind,
      title,
      parameters: parametersOf(schemaOf(params)),
    }))
  return { operations: entries(kinds), checks: entries(assertionKinds) }
}

function parametersOf(schema: unknown): Parameter[] {
  const { properties = {}, required = [] } = nodeSchema.partial().parse(schema)
  return Object.entries(properties).map(([name, value]) => {
    const { type, description = '', enum: words = [], items } = nodeSchema.partial().parse(value)
    const isList = type === 'array'
    return {
      name,
      about: description,
      isRequired: required.includes(name),
      words: words.map(String),
      isList,
      keys: parametersOf(isList ? (items ?? {}) : value),
    }
  })
}
