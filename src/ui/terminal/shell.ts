import { statSync } from 'node:fs'
import { basename } from 'node:path'
import type { Host } from '../../kernel/host.ts'
import { withPath } from '../../kernel/host-root.ts'

/** The argv and environment of the user's shell, or of sh if the host does not have it, with a prompt that shows `place`. */
export function shellWithPrompt(host: Host, place: string): { argv: string[]; env: Record<string, string> } {
  const shell = shellOf(host)
  const prompt = `[cnilab ${place}] `
  switch (basename(shell)) {
    case 'bash':
      // Without start-up files, which would change the prompt.
      return { argv: [shell, '--norc', '-i'], env: { PS1: `${prompt}\\w \\$ ` } }
    case 'zsh':
      return { argv: [shell, '-f', '-i'], env: { PS1: `${prompt}%~ %# ` } }
    case 'fish':
      return { argv: [shell, '-C', `function fish_prompt; echo -n '${prompt}> '; end`], env: {} }
    default:
      return { argv: [shell, '-i'], env: { PS1: `${prompt}$ `, ENV: '' } }
  }
}

/** The user's own shell, unless it is in a directory that a sandbox does not have. */
function shellOf(host: Host): string {
  const shell = process.env['SHELL'] ?? ''
  try {
    return withPath(host, shell, (path) => statSync(path)).isFile() ? shell : '/bin/sh'
  } catch {
    return '/bin/sh'
  }
}
