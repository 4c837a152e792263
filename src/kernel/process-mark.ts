import { statSync } from 'node:fs'
import { startTime } from './processes.ts'

/**
 * The mark of this process: pid namespace, pid and start time, which distinguish it even from a later process with the same
 * pid. It contains no spaces or slashes.
 */
export function ownMark(): string {
  return `${pidNamespace()}-${process.pid}-${startTime(process.pid) ?? ''}`
}

/** Whether a mark belongs to a process that has ended. False for other pid namespaces, where we cannot know. */
export function isOfDead(mark: string): boolean {
  const [, namespace, pid, started] = /^(\d+)-(\d+)-(\d+)$/.exec(mark) ?? []
  return namespace === String(pidNamespace()) && startTime(Number(pid)) !== started
}

function pidNamespace(): number {
  return statSync('/proc/self/ns/pid').ino
}
