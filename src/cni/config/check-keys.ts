import * as z from 'zod'
import { nearest } from '../../nearest.ts'
import { interfaceAddressRule, ipAddressRule, subnetRule } from '../../rules/ip.ts'
import { ownMacRule } from '../../rules/mac.ts'
import { wrongInterfaceName } from '../../rules/names.ts'
import type { Rule } from '../../rules/rule.ts'
import type { Path } from './json-source.ts'
import { type Keys, type ValueKind, lookup } from '../protocol/keys.ts'
import type { ReportMistake } from './mistake.ts'

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>

const jsonSchema = z.record(z.string(), z.unknown())

/** The value if it is an object, else undefined. */
export function asObject(value: unknown): JsonObject | undefined {
  return Array.isArray(value) ? undefined : jsonSchema.safeParse(value).data
}

/** The value if it is a list, else an empty list. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The value if it is a string, else undefined. */
export function asString(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

const because = (rule: Rule) => (text: string) => rule(text).problem

/** Kinds of strings. Each function returns what is wrong with a string; undefined if nothing is. */
const forms = {
  text: () => undefined,
  mac: because(ownMacRule),
  interface: wrongInterfaceName,
  address: because(ipAddressRule),
  'address with prefix': because(interfaceAddressRule),
  subnet: because(subnetRule),
} as const

/** Checks the keys of an object, and their values, against a table of keys. `what` names the object. */
export function checkKeys(object: JsonObject, keys: Keys, path: Path, what: string, report: ReportMistake): void {
  for (const [name, value] of Object.entries(object)) {
    const own = [...path, name]
    const kind = lookup(keys, name)
    if (kind !== undefined) {
      checkValue(value, kind, own, report)
      continue
    }
    const near = nearest(name, Object.keys(keys))
    report('warning', own, `${what} has no key "${name}"`, {
      why: 'plugins silently ignore it',
      ...(near === undefined ? {} : { fix: `did you mean "${near}"?` }),
      at: 'key',
    })
  }
}

/** The last key in a path: `ranges` in `ipam.ranges[0][1]`. */
function lastKey(path: Path): string {
  return path.findLast((step) => typeof step === 'string') ?? ''
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : JSON.stringify(value)
}

function checkValue(value: unknown, kind: ValueKind, path: Path, report: ReportMistake): void {
  if (value === null || kind === 'anything') return // to Go, null is the same as missing
  const name = `"${lastKey(path)}"`
  const wrong = (expected: string, fix?: string) =>
    report('error', path, `${name} must be ${expected}, not ${typeOf(value)}`, fix === undefined ? {} : { fix })
  if (kind === 'flag') {
    if (typeof value === 'boolean') return
    const meant = value === 'true' || value === 'false' ? `write ${value} without quotes` : undefined
    wrong('true or false', meant)
  } else if (kind === 'number') {
    if (!Number.isSafeInteger(value) || Number(value) < 0) wrong('a whole number, 0 or more')
  } else if (typeof kind === 'string') {
    if (typeof value !== 'string') return wrong('a string')
    const problem = value === '' ? undefined : forms[kind](value) // an empty string counts as missing
    if (problem !== undefined) report('error', path, `${name}: ${problem}`)
  } else if ('oneOf' in kind) {
    if (typeof value === 'string' && (value === '' || kind.oneOf.includes(value))) return
    const near = typeof value === 'string' ? nearest(value, kind.oneOf) : undefined
    wrong(`one of ${kind.oneOf.join(', ')}`, near === undefined ? undefined : `did you mean "${near}"?`)
  } else if ('from' in kind) {
    if (!Number.isSafeInteger(value) || Number(value) < kind.from || Number(value) > kind.to)
      wrong(`a whole number from ${kind.from} to ${kind.to}`)
  } else if ('listOf' in kind) {
    if (!Array.isArray(value)) return wrong('a list', 'put it in [ ]')
    for (const [i, item] of value.entries()) checkValue(item, kind.listOf, [...path, i], report)
  } else checkObject(value, kind, path, report, wrong)
}

function checkObject(
  value: unknown,
  kind: { mapOf: ValueKind } | { keys: Keys; required?: readonly string[] },
  path: Path,
  report: ReportMistake,
  wrong: (expected: string) => void,
): void {
  const object = asObject(value)
  if (!object) return wrong('an object { }')
  if ('mapOf' in kind) {
    for (const [key, item] of Object.entries(object)) checkValue(item, kind.mapOf, [...path, key], report)
    return
  }
  const name = `"${lastKey(path)}"`
  checkKeys(object, kind.keys, path, name, report)
  checkRequired(object, kind.required ?? [], path, name, report)
}

/** Reports required keys that are missing or empty. */
export function checkRequired(
  object: JsonObject,
  required: readonly string[],
  path: Path,
  what: string,
  report: ReportMistake,
): void {
  for (const key of required)
    if (object[key] === undefined || object[key] === null || object[key] === '')
      report('error', path, `${what} needs the key "${key}"`)
}
