import type { Rule } from '../../rules/rule.ts'
import { isObject, type JsonObject } from '../../state/json.ts'
import { CODE, CniError } from './error.ts'

/** The error for a value that is not as it must be: `key` is its place, `ipam.ranges.0.0.subnet`, or '' for the whole. */
type Refusing = (key: string, problem: string) => Error

/** The longest value that an error quotes. */
const LONGEST = 80

/**
 * A JSON object, or a list, whose values are read by their keys, or places, and are refused unless they are what they must be.
 * Null is the same as missing, and so is an empty text, as to plugins written in Go. A list's places are its keys: '0', '1'.
 */
export class Settings {
  readonly #values: JsonObject
  readonly #refusing: Refusing
  readonly #path: string

  /** `json`: parsed, with its keys in their usual capitals. Throws what `refusing` returns if it is not an object. */
  constructor(json: unknown, refusing: Refusing, path = '') {
    this.#refusing = refusing
    this.#path = path
    if (!isObject(json)) throw refusing(path, expected('an object', json))
    this.#values = json
  }

  /** Whether there is a value. */
  has(key: string): boolean {
    return (this.#values[key] ?? '') !== ''
  }

  /** A boolean. */
  flag(key: string): boolean | undefined {
    const value = this.#values[key] ?? undefined
    if (value === undefined || typeof value === 'boolean') return value
    throw this.refuse(key, expected('true or false', value))
  }

  text(key: string): string | undefined {
    const value = this.#values[key] ?? ''
    if (typeof value !== 'string') throw this.refuse(key, expected('a string', value))
    return value === '' ? undefined : value
  }

  /** A text that keeps to a rule, in the rule's own notation. */
  byRule(key: string, rule: Rule): string | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const { value, problem } = rule(text)
    if (problem !== undefined) throw this.refuse(key, problem)
    return value
  }

  oneOf<T extends string>(key: string, words: readonly T[]): T | undefined {
    const text = this.text(key)
    const word = words.find((one) => one === text)
    if (word === undefined && text !== undefined) throw this.refuse(key, expected(`one of ${words.join(', ')}`, text))
    return word
  }

  /** A whole number; both ends are allowed. */
  whole(key: string, from = 0, to = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.#values[key] ?? undefined
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && from <= value && value <= to) return value
    const range = to < Number.MAX_SAFE_INTEGER ? `from ${from} to ${to}` : `of ${from} or more`
    throw this.refuse(key, expected(`a whole number ${range}`, value))
  }

  /** An object within this one; one without any keys if it is missing. */
  part(key: string): Settings {
    return new Settings(this.#values[key] ?? {}, this.#refusing, this.#placeOf(key))
  }

  /** A list, empty if it is missing: `read` reads the value at a place of `items`. */
  list<T>(key: string, read: (items: Settings, place: string) => T): T[] {
    const value = this.#values[key] ?? []
    if (!Array.isArray(value)) throw this.refuse(key, expected('a list', value))
    const items = new Settings(Object.fromEntries(value.entries()), this.#refusing, this.#placeOf(key))
    return value.map((_, i) => read(items, String(i)))
  }

  /** A list of texts, without empty ones. */
  texts(key: string): string[] {
    return this.list(key, (items, place) => items.text(place)).filter((text) => text !== undefined)
  }

  /** A value that must be there. */
  required<T>(key: string, value: T | undefined): T {
    if (value === undefined) throw this.refuse(key, 'it is missing')
    return value
  }

  /** The error for the value of a key. */
  refuse(key: string, problem: string): Error {
    return this.#refusing(this.#placeOf(key), problem)
  }

  #placeOf(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`
  }
}

/** What is wrong with a value of another kind, in words. */
function expected(what: string, value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value
  return `expected ${what}, not ${text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`}`
}

/** The settings of a plugin in the configuration of a call; what is wrong is CniError `config`. */
export function settingsOf({ config }: { config: JsonObject }): Settings {
  return new Settings(
    config,
    (key, problem) => new CniError(CODE.config, `network configuration: "${key}": ${problem}`),
  )
}

/** The settings in CNI_ARGS, all of which are texts; what is wrong is CniError `config`. */
export function argsOf({ args }: { args: Readonly<Record<string, string>> }): Settings {
  return new Settings(
    args,
    (key, problem) => new CniError(CODE.config, `CNI_ARGS (${key}): ${problem}`, 'the runtime passed it'),
  )
}
