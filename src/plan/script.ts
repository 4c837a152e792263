import type { Command } from '../operations/operation.ts'
import { toLine } from './command-line.ts'

/** A titled group of commands in a script. */
export interface ScriptPart {
  title: string
  commands: readonly Command[]
  /** What is run after them, as lines. */
  lines?: readonly string[]
}

/**
 * A POSIX shell script that runs the commands and stops at the first failure. Run as root, in an empty network
 * namespace or on a separate machine, it builds the same network as cnilab does.
 */
export function toScript(heading: string, parts: readonly ScriptPart[]): string {
  const body = parts.map(({ title, commands, lines = [] }) =>
    [comment(title), ...commands.map((command) => toLine(command, '$$')), ...lines].join('\n'),
  )
  return [
    '#!/bin/sh',
    comment(heading),
    'set -eu',
    'PATH=$PATH:/usr/sbin:/sbin',
    'mkdir -p /run/netns',
    ...body,
    '',
  ].join('\n')
}

/** A comment on one line, whatever the text. */
function comment(text: string): string {
  return `# ${text.replaceAll(/\s+/g, ' ')}`
}
