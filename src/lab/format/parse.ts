import { type Lab, toLab } from './lab.ts'
import { readSource } from './source.ts'

/** Reads a lab file (YAML, version 1). `file` is its name for messages. Throws as `toLab` does, with line and column. */
export function parseLab(yaml: string, file: string, set: Readonly<Record<string, string>> = {}, language = 'en'): Lab {
  return toLab(readSource(yaml, file), set, language)
}
