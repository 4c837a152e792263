import { addressAt } from '../../ip-arithmetic.ts'

/** The variables that `${…}` may refer to in a lab. */
export type Variables = Readonly<Record<string, string>>

/** A part of a lab file that cannot be filled in; the message says why. */
export class TemplateError extends Error {}

/**
 * Fills in `${name}`, `${subnet[2]}` (the address of a subnet with that number; the index is a sum of numbers and
 * variables), and `${subnet.prefix}` (its length). Throws TemplateError.
 */
export function fill(text: string, variables: Variables): string {
  let filled = ''
  let from = 0
  // By hand: a regular expression would search for the end from each `${` again.
  for (let at = text.indexOf('${'); at >= 0; at = text.indexOf('${', from)) {
    const end = text.indexOf('}', at)
    if (end < 0) break
    filled += text.slice(from, at) + valueOf(text.slice(at + 2, end), variables)
    from = end + 1
  }
  return filled + text.slice(from)
}

function valueOf(expression: string, variables: Variables): string {
  const [, name = '', index, prefix] = /^(\w+)(?:\[([^\]]+)\]|(\.prefix))?$/.exec(expression.trim()) ?? []
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined
  if (value === undefined) {
    const names = Object.keys(variables)
    const there = names.length === 0 ? 'there are no parameters here' : `known names are: ${names.join(', ')}`
    throw new TemplateError(`\${${expression}} is not known; ${there}`)
  }
  if (prefix !== undefined) return value.split('/')[1] ?? ''
  if (index === undefined) return value
  const n = sum(index, variables)
  const address = addressAt(value, n)
  if (address === undefined) throw new TemplateError(`${value} has no address number ${n}`)
  return address
}

/** Sums the terms. The result is a safe integer and not negative, as addressAt needs it. */
function sum(expression: string, variables: Variables): number {
  const terms = expression
    .split('+')
    .map((term) => term.trim())
    .map((term) => (Object.hasOwn(variables, term) ? (variables[term] ?? '') : term))
  const total = terms.map(Number).reduce((a, b) => a + b, 0)
  if (!terms.every((term) => /^\d+$/.test(term)) || !Number.isSafeInteger(total))
    throw new TemplateError(`[${expression}] is not a sum of whole numbers from 0`)
  return total
}

/** Fills in every string in a tree of objects and arrays. */
export function fillTree(tree: unknown, variables: Variables): unknown {
  if (typeof tree === 'string') return fill(tree, variables)
  if (Array.isArray(tree)) return tree.map((item) => fillTree(item, variables))
  if (tree !== null && typeof tree === 'object')
    return Object.fromEntries(Object.entries(tree).map(([key, value]) => [key, fillTree(value, variables)]))
  return tree
}
