import type { ReferenceEntry } from '../../lab/format/reference.ts'
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
  const width = Math.max(...parameters.map(({ name }) => name.length)) + 2
  for (const { name, about, isRequired, words } of parameters) {
    const more = `${words.length === 0 ? '' : `: ${words.join(', ')}`}${isRequired ? ' (required)' : ''}`
    log(labelled(`  ${name.padEnd(width)}`, `${about}${more}`))
  }
}
