import { statSync } from 'node:fs'
import { startTime } from './processes.ts'

/**
 * What tells a process from all others, also from one that gets its number later: its pid namespace, its pid, and when it
 * was started. Without spaces and slashes.
 */
export function ownMark(): string {
  return `${pidNamespace()}-${process.pid}-${startTime(process.pid) ?? ''}`
}

/** Whether a mark is that of a process that has ended. Of those in other pid namespaces nothing is known. */
export function isOfDead(mark: string): boolean {
  const [, namespace, pid, started] = /^(\d+)-(\d+)-(\d+)$/.exec(mark) ?? []
  return namespace === String(pidNamespace()) && startTime(Number(pid)) !== started
}

function pidNamespace(): number {
  return statSync('/proc/self/ns/pid').ino
}
