import type { Parameter, ReferenceEntry } from '../../lab/format/reference.ts'
import { labelled } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** Prints the kinds of operations or checks, one line each. */
export function showKinds(heading: string, entries: readonly ReferenceEntry[], log: Log): void {
  log(style.title(heading))
  for (const { kind, title } of entries) log(labelled(`  ${kind.padEnd(20)}`, title))
}

/** Prints a kind with its parameters. */
export function showEntry(what: string, { kind, title, parameters }: ReferenceEntry, log: Log): void {
  log(draw`${style.title(kind)} (${what}): ${title}`)
  showParameters(parameters, '  ', log)
}

/** One line each; below it, further in, the keys of its value. */
function showParameters(parameters: readonly Parameter[], indent: string, log: Log): void {
  const width = Math.max(...parameters.map(({ name }) => name.length)) + 2
  for (const { name, about, isRequired, words, isList, keys } of parameters) {
    const more = `${words.length === 0 ? '' : `: ${words.join(', ')}`}${isRequired ? ' (required)' : ''}`
    const inside = keys.length === 0 ? '' : isList ? '; a list, each item with' : ', with'
    log(labelled(`${indent}${name.padEnd(width)}`, `${about}${more}${inside}`))
    showParameters(keys, `${indent}  `, log)
  }
}
