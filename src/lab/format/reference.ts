import { assertionKinds } from '../../assertions/registry.ts'
import { kinds } from '../../operations/registry.ts'
import { type DescribedKind, type JsonSchema, nodeSchema, schemaOf } from './editor-schema.ts'

/** The documentation of one parameter of a kind. */
interface Parameter {
  name: string
  about: string
  isRequired: boolean
  /** The words that it accepts, if there are only a few. */
  words: readonly string[]
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

function parametersOf(schema: JsonSchema): Parameter[] {
  const { properties = {}, required = [] } = nodeSchema.partial().parse(schema)
  return Object.entries(properties).map(([name, value]) => {
    const { description = '', enum: words = [] } = nodeSchema.partial().parse(value)
    return { name, about: description, isRequired: required.includes(name), words: words.map(String) }
  })
}
