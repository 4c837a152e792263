import * as z from 'zod'
import { asText } from '../../visible.ts'
import { CnilabError } from '../../errors.ts'
import { contains } from '../../ip-arithmetic.ts'
import { interfaceName, netnsName } from '../../operations/names.ts'
import { ipAddress, subnet } from '../../operations/ip.ts'
import { UPLINK } from '../../state/state.ts'
import { BOUNDS } from './bounds.ts'
import type { Localized, ParameterDefinition } from './schema.ts'
import { fill, TemplateError, type Variables } from './template.ts'

/** The values that any lab may use in addition to its own parameters. */
const builtIn: Variables = { internet: UPLINK.gateway, uplink: UPLINK.address }

/**
 * The value of each parameter: from `--set`, or its default, which may refer to earlier parameters.
 * Throws CnilabError `usage` for an unknown name or a bad value, and TemplateError for a bad default.
 */
export function resolveParameters(
  definitions: Readonly<Record<string, ParameterDefinition>>,
  set: Readonly<Record<string, string>>,
  pick: (text: Localized) => string,
): Variables {
  for (const name of Object.keys(set)) {
    if (Object.hasOwn(definitions, name)) continue
    const known = Object.keys(definitions).join(', ')
    throw new CnilabError('usage', `this lab has no parameter '${name}'`, {
      fix: known === '' ? 'leave out --set: it has none' : `its parameters are: ${known}`,
    })
  }
  const values: Record<string, string> = { ...builtIn }
  for (const [name, definition] of Object.entries(definitions))
    values[name] = check(name, definition, Object.hasOwn(set, name) ? set[name] : undefined, values, pick)
  return values
}

function check(
  name: string,
  definition: ParameterDefinition,
  given: string | undefined,
  values: Variables,
  pick: (text: Localized) => string,
): string {
  const wrong = (message: string) =>
    given === undefined
      ? new TemplateError(`the default of ${name}: ${message}`)
      : new CnilabError('usage', `parameter ${name}: ${message}`)
  const value = given ?? fill(definition.default, values)
  if (value.length > BOUNDS.value) throw wrong(`has ${value.length} characters; at most ${BOUNDS.value} are allowed`)
  const parsed = schemaOf(definition, pick).safeParse(value)
  if (!parsed.success) throw wrong(parsed.error.issues[0]?.message ?? `'${value}' is not valid`)
  const network = definition.in === undefined ? undefined : values[definition.in]
  if (network !== undefined && !contains(network, parsed.data))
    throw wrong(`${parsed.data} is outside its subnet ${network}`)
  return parsed.data
}

function schemaOf(
  { type, min = 0, max = Number.MAX_SAFE_INTEGER, limit }: ParameterDefinition,
  pick: (text: Localized) => string,
): z.ZodType<string> {
  switch (type) {
    case 'netns':
      return netnsName
    case 'interface':
      return interfaceName
    case 'subnet':
      return subnet
    case 'address':
      return ipAddress
    case 'number':
      return z.string().refine((text) => /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max, {
        error: (issue) =>
          `'${asText(issue.input)}' is not a whole number from ${min} to ${max}${limit === undefined ? '' : `; ${pick(limit)}`}`,
      })
  }
}
