import { parse } from 'smol-toml'
import { readConfigFile } from '../config/config-file.ts'
import { asObject, type JsonObject } from '../config/check-keys.ts'

/** Reads a TOML file: its content, or why it cannot be read; undefined if there is none. */
export function readToml(
  file: string,
): { file: string; content: JsonObject } | { file: string; wrong: string } | undefined {
  try {
    return { file, content: asObject(parse(readConfigFile(file))) ?? {} }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return { file, wrong: message }
  }
}

/** The table at a path; undefined if there is none. */
export function tableAt(content: JsonObject, ...names: readonly string[]): JsonObject | undefined {
  return names.reduce<JsonObject | undefined>((table, name) => asObject(table?.[name]), content)
}
