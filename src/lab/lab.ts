import * as z from 'zod'
import { CnilabError } from '../errors.ts'
import { isKind, kinds, type Operation, parseOperation } from '../operations/registry.ts'
import { resolveParameters } from './parameters.ts'
import { type Assertion, filledSchema, type LabFile, labSchema } from './schema.ts'
import { readSource, type Source } from './source.ts'
import { fill, fillTree, TemplateError, type Variables } from './template.ts'

/** A step of a lab, ready to be done. */
export interface LabStep {
  id: string
  title: string
  text: string
  before: Assertion[]
  operations: Operation[]
  checks: Assertion[]
}

/** A lab with its parameters filled in. */
export interface Lab {
  id: string
  title: string
  text: string
  /** Its parameters, for `lab show`. */
  parameters: { name: string; value: string; text: string }[]
  /** The subnets that it uses: none may overlap a route that the host has. */
  subnets: string[]
  steps: LabStep[]
}

/**
 * Reads a lab file (YAML, version 1) and fills in its parameters. Throws CnilabError `usage`: with file, line and
 * column for a mistake in the file, with the parameter's name for a bad `--set`.
 */
export function parseLab(text: string, file: string, set: Readonly<Record<string, string>> = {}): Lab {
  const source = readSource(text, file)
  const parsed = labSchema.safeParse(source.tree)
  if (!parsed.success) throw source.complaint(parsed.error)
  const lab = parsed.data
  checkIds(lab, source)
  checkSubnets(lab, source)
  const variables = inFile(source, ['parameters'], () => resolveParameters(lab.parameters, set))
  return {
    id: lab.id,
    title: lab.title,
    text: inFile(source, ['text'], () => fill(lab.text, variables)),
    parameters: Object.entries(lab.parameters).map(([name, { text: what }]) => ({
      name,
      value: variables[name] ?? '',
      text: what,
    })),
    subnets: Object.entries(lab.parameters).flatMap(([name, { type }]) =>
      type === 'subnet' ? (variables[name] ?? []) : [],
    ),
    steps: lab.steps.map((step, s) => ({
      id: step.id,
      title: inFile(source, ['steps', s, 'title'], () => fill(step.title, variables)),
      text: inFile(source, ['steps', s, 'text'], () => fill(step.text, variables)),
      before: assertions(source, ['steps', s, 'before'], step.before, variables),
      operations: step.operations.flatMap((item, o) =>
        operations(source, ['steps', s, 'operations', o], item, variables),
      ),
      checks: assertions(source, ['steps', s, 'checks'], step.checks, variables),
    })),
  }
}

function checkIds(lab: LabFile, source: Source): void {
  const seen = new Set<string>()
  for (const [s, { id }] of lab.steps.entries()) {
    if (seen.has(id)) throw source.errorAt(['steps', s, 'id'], `id: another step is called '${id}' already`)
    seen.add(id)
  }
}

/** An address that lies in a subnet is checked against it: a name that is none would switch the check off. */
function checkSubnets(lab: LabFile, source: Source): void {
  const subnets: string[] = []
  for (const [name, definition] of Object.entries(lab.parameters)) {
    if (definition.in !== undefined && !subnets.includes(definition.in))
      throw source.errorAt(
        ['parameters', name, 'in'],
        `in: '${definition.in}' is not an earlier parameter of type subnet; there are: ${subnets.join(', ') || 'none'}`,
      )
    if (definition.type === 'subnet') subnets.push(name)
  }
}

/** Turns a `${…}` that cannot be filled in into an error at its place in the file. */
function inFile<T>(source: Source, path: readonly PropertyKey[], act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof TemplateError ? source.errorAt(path, error.message) : error
  }
}

/** So often an operation may be repeated: a bridge takes 1023 ports. */
const MOST = 1023

/** A mark is how the program finds again what it made on the machine: nothing that a lab may choose. */
const unmarkedSchema = z.looseObject({}).check((ctx) => {
  if ('mark' in ctx.value) ctx.issues.push({ code: 'unrecognized_keys', keys: ['mark'], input: ctx.value })
})

function operations(
  source: Source,
  path: readonly PropertyKey[],
  item: Readonly<Record<string, unknown>>,
  variables: Variables,
): Operation[] {
  const { repeat } = item
  const [kind, ...more] = Object.keys(item).filter((key) => key !== 'repeat')
  if (kind === undefined) throw source.errorAt(path, 'an operation names its kind, for example: bridge: {name: cni0}')
  if (more[0] !== undefined)
    throw source.errorAt([...path, more[0]], `an operation has one kind; '${more[0]}' belongs into an item of its own`)
  if (!isKind(kind))
    throw source.errorAt(
      [...path, kind],
      `there is no operation '${kind}'; there are: ${Object.keys(kinds).join(', ')}`,
    )
  const at = [...path, kind]
  const unmarked = unmarkedSchema.safeParse(item[kind])
  if (!unmarked.success) throw source.complaint(unmarked.error, at)
  const one = (values: Variables) => {
    try {
      return parseOperation(
        kind,
        inFile(source, at, () => fillTree(item[kind], values)),
      )
    } catch (error) {
      throw error instanceof z.ZodError ? source.complaint(error, at) : error
    }
  }
  if (repeat === undefined) return [one(variables)]
  const digits = inFile(source, [...path, 'repeat'], () => fillTree(repeat, variables))
  // Number would also take 0x2, 1e2 and nothing at all.
  const times = typeof digits === 'string' && /^\d+$/.test(digits) ? Number(digits) : 0
  if (times < 1 || times > MOST) throw source.errorAt([...path, 'repeat'], `repeat is a whole number from 1 to ${MOST}`)
  return Array.from({ length: times }, (_, i) => one({ ...variables, i: String(i + 1) }))
}

function assertions(
  source: Source,
  path: readonly PropertyKey[],
  items: readonly Assertion[],
  variables: Variables,
): Assertion[] {
  return items.map((item, i) => {
    const at = [...path, i]
    const parsed = filledSchema(item).safeParse(inFile(source, at, () => fillTree(item, variables)))
    if (!parsed.success) throw source.complaint(parsed.error, at)
    return parsed.data
  })
}

/** Refuses a name that is neither a lab's nor a path. */
export function isLabPath(lab: string): boolean {
  return lab.includes('/') || lab.endsWith('.yaml')
}

/** The error for a lab that does not exist. */
export function unknownLab(name: string, known: readonly string[]): CnilabError {
  return new CnilabError('usage', `there is no lab '${name}'`, {
    fix: `the labs are: ${known.join(', ')}; a path to a file holds a / or ends in .yaml`,
  })
}
