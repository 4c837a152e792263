import type { CnilabError } from '../../errors.ts'

/**
 * How much a lab may hold. A lab is read whole, before anything is done, and may come from a stranger: what it takes to read
 * it has to be bounded by these, and not by what it says. Those that ship come to a tenth of it.
 */
export const BOUNDS = {
  /** Of the file, in bytes. */
  file: 256 * 1024,
  /** Texts, numbers, lists and maps; what an alias stands for counts each time. */
  values: 20_000,
  /** Of lists and maps, one in the other, aliases resolved. */
  depth: 50,
  /** Of any text, in characters. */
  text: 4000,
  /** Operations, of all steps and the start, each as often as it is repeated: 1000 containers take 8000. */
  operations: 20_000,
  steps: 200,
  /** Items of any list of a step: checks, hints, questions, commands. */
  items: 200,
  parameters: 100,
  /** Of what `--set` gives, in characters. */
  value: 1000,
} as const

/** Refuses a lab file's content that is deeper, longer, or more than the bounds; throws what `errorAt` makes of it. */
export function refuseHuge(
  tree: unknown,
  errorAt: (path: readonly PropertyKey[], message: string) => CnilabError,
): void {
  let values = 0
  const path: PropertyKey[] = []
  const visit = (node: unknown): void => {
    if (++values > BOUNDS.values)
      throw errorAt(path, `a lab has no more than ${BOUNDS.values} values, aliases resolved`)
    if (path.length > BOUNDS.depth)
      throw errorAt(path, `this lies in more than ${BOUNDS.depth} lists and maps, one in the other`)
    if (typeof node === 'string' && node.length > BOUNDS.text)
      throw errorAt(path, `this text has ${node.length} characters, and no more than ${BOUNDS.text} are allowed`)
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Array.isArray(node) ? node.entries() : Object.entries(node)) {
      path.push(key)
      visit(value)
      path.pop()
    }
  }
  visit(tree)
}
