import type * as z from 'zod'
import { CODE, CniError } from './error.ts'

/** Parses a plugin's part of a configuration. Throws CniError `config`, which names the key and the rule that it breaks. */
export function parseConfig<T>(schema: z.ZodType<T>, config: unknown): T {
  const parsed = schema.safeParse(config)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const where = issue?.path.map(String).join('.') ?? ''
  throw new CniError(
    CODE.config,
    `network configuration: ${where === '' ? '' : `"${where}": `}${issue?.message ?? 'invalid'}`,
  )
}
