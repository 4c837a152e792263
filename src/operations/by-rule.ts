import * as z from 'zod'
import type { Rule } from '../rules/rule.ts'

// A command parses each thing once or twice: compiling a parser would cost more than it saves.
z.config({ jitless: true })

/** The schema of a text for which there is a rule. */
export function byRule(rule: Rule) {
  return z.string().transform((text, ctx) => {
    const { value, problem } = rule(text)
    if (problem === undefined) return value
    ctx.issues.push({ code: 'custom', input: text, message: problem })
    return z.NEVER
  })
}
