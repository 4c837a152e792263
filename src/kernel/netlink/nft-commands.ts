import type { Command } from '../../operations/operation.ts'
export function toNftMessages(_commands: readonly Command[]): Buffer[] | undefined {
  return undefined
}
