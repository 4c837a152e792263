import type { CnilabError } from '../../errors.ts'

/**
 * The largest lab that we accept. A lab is read completely before anything is done, and may come from a stranger, so its
 * cost must be bounded. The labs that ship need a tenth of this.
 */
export const BOUNDS = {
  /** Size of the file, in bytes. */
  file: 256 * 1024,
  /** Texts, numbers, lists and maps; whatever an alias refers to counts each time. */
  values: 20_000,
  /** Nesting of lists and maps, with aliases resolved. */
  depth: 50,
  /** Length of any text, in characters. */
  text: 4000,
  /** Operations of the start and of all steps, with repeats: 1000 containers take 8000. */
  operations: 20_000,
  steps: 200,
  /** Items of any list of a step: checks, hints, questions, commands. */
  items: 200,
  parameters: 100,
  /** Length of a value of `--set`, in characters. */
  value: 1000,
} as const

/** Refuses a lab file's content that exceeds the bounds: throws the error that `errorAt` makes. */
export function refuseHuge(
  tree: unknown,
  errorAt: (path: readonly PropertyKey[], message: string) => CnilabError,
): void {
  let values = 0
  const path: PropertyKey[] = []
  const visit = (node: unknown): void => {
    if (++values > BOUNDS.values)
      throw errorAt(path, `a lab has at most ${BOUNDS.values} values, with aliases resolved`)
    if (path.length > BOUNDS.depth) throw errorAt(path, `this is nested in more than ${BOUNDS.depth} lists and maps`)
    if (typeof node === 'string' && node.length > BOUNDS.text)
      throw errorAt(path, `this text has ${node.length} characters; at most ${BOUNDS.text} are allowed`)
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Array.isArray(node) ? node.entries() : Object.entries(node)) {
      path.push(key)
      visit(value)
      path.pop()
    }
  }
  visit(tree)
}
