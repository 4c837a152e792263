import * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import type { Operation } from '../../operations/registry.ts'
import { BOUNDS } from './bounds.ts'
import { operations } from './items.ts'
import { type Lab, toLab } from './lab.ts'
import { readSource } from './source.ts'

/** Parses a lab file. `set` has the user's values of its parameters. Throws CnilabError `usage`. */
export function parseLab(yaml: string, file: string, set: Readonly<Record<string, string>> = {}, language = 'en'): Lab {
  return toLab(readSource(yaml, file), set, language)
}

/**
 * Parses the operations of a file: a lab, with its start and all its steps, or a list of items like a lab's `operations`.
 * Throws CnilabError `usage`.
 */
export function parseOperations(yaml: string, file: string, set: Readonly<Record<string, string>> = {}): Operation[] {
  const source = readSource(yaml, file)
  if (typeof source.tree !== 'object' || source.tree === null)
    throw source.errorAt(
      [],
      'this is neither a list of operations, such as - bridge: {name: cni0}, nor a lab, which is a map of keys: version, id, title, text, steps',
    )
  if (!Array.isArray(source.tree)) return operationsOf(toLab(source, set))
  const [given] = Object.keys(set)
  if (given !== undefined)
    throw new CnilabError('usage', `a list has no parameter '${given}'`, {
      fix: 'leave out --set; a lab can have parameters',
    })
  const room = { operations: BOUNDS.operations }
  return source.tree.flatMap((raw: unknown, i) => {
    const item = z.record(z.string(), z.unknown()).safeParse(raw)
    if (!item.success) throw source.errorAt([i], 'an operation names its kind, for example: bridge: {name: cni0}')
    return operations(source, [i], item.data, {}, room)
  })
}

/** All operations of a lab, in order: those of its start, and those of its steps. */
export function operationsOf({ start, steps }: Lab): Operation[] {
  return [...start, ...steps.flatMap((step) => step.operations)]
}
