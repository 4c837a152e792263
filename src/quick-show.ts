import { existsSync } from 'node:fs'
import { DEFAULT_SANDBOX, GIVEN_FOLDER } from './kernel/host.ts'
import { readText } from './kernel/read-file.ts'
import { progressFileOf } from './lab/run/progress-file.ts'
import { distrust } from './kernel/trust.ts'
import { trusted } from './ui/terminal/drawn.ts'
import { print } from './ui/terminal/output.ts'
import { showStepText, type StoredStepText } from './ui/lab/show-description.ts'
import { hasColor } from './ui/terminal/style.ts'

/**
 * `step --show STEP` of the first lab, from the file `texts` that the build wrote: without oclif, the lab and what reads
 * it, it takes a third of the time. Returns whether it could: in a sandbox, where another lab runs, and for other words, the command
 * itself knows.
 */
export function showQuickly(words: readonly string[], texts: string): boolean {
  const [name, ...others] = words.filter((word) => word !== '--show')
  if (name === undefined || others.length > 0 || existsSync(GIVEN_FOLDER) || !isFirstLab()) return false
  const step = readTexts(texts).find(({ id }, i) => id === name || String(i + 1) === name)
  if (step) showStepText({ ...step, text: trusted(step.text) }, print)
  return step !== undefined
}

/** Whether the first lab is the one whose steps are meant: it runs in the sandbox, as it ships, or none does. */
function isFirstLab(): boolean {
  const file = progressFileOf(process.env['CNILAB_SANDBOX'] ?? DEFAULT_SANDBOX)
  if (distrust(file) !== undefined) return false
  try {
    return !existsSync(file) || /"lab": "eight-steps",\s*"set": \[\]/.test(readText(file))
  } catch {
    return false // no file of ours: the command itself says what it is
  }
}

function readTexts(file: string): StoredStepText[] {
  try {
    // Written by src/generate.ts from the same type.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const texts = JSON.parse(readText(file)) as Record<'colored' | 'uncolored', StoredStepText[]>
    return hasColor ? texts.colored : texts.uncolored
  } catch {
    return [] // a build that went wrong: the command itself says how
  }
}
