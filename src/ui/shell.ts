import { basename } from 'node:path'

/** How to start the user's shell so that its prompt tells where it is: argv and environment. */
export function shellWithPrompt(place: string): { argv: string[]; env: Record<string, string> } {
  const shell = process.env['SHELL'] ?? '/bin/sh'
  const prompt = `[cnilab ${place}] `
  switch (basename(shell)) {
    case 'bash':
      // Without start-up files, which would set another prompt.
      return { argv: [shell, '--norc', '-i'], env: { PS1: `${prompt}\\w \\$ ` } }
    case 'zsh':
      return { argv: [shell, '-f', '-i'], env: { PS1: `${prompt}%~ %# ` } }
    case 'fish':
      return { argv: [shell, '-C', `function fish_prompt; echo -n '${prompt}> '; end`], env: {} }
    default:
      // Without job control: the terminal's process group is not to be seen from here.
      return { argv: [shell, '-i', '+m'], env: { PS1: `${prompt}$ `, ENV: '' } }
  }
}
