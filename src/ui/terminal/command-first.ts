import type { Config } from '@oclif/core'
import { CnilabError } from '../../errors.ts'

/** A command's name, with : between its words, and which of its options take a value. */
type Known = Pick<Config['commands'][number], 'id' | 'flags'>

/**
 * Moves the command's name to the front of a command line, as oclif requires it: it would take
 * `netns --sandbox blue create red` for `netns`. Throws CnilabError `usage` if there is no command after the options. Leaves
 * requests for help to oclif.
 */
export function commandFirst(words: readonly string[], commands: readonly Known[]): string[] {
  for (const command of commands) {
    const found = ordered(words, command)
    if (found) return found
  }
  const end = words.indexOf('--')
  const own = end < 0 ? words : words.slice(0, end)
  if (own.some((word) => word === '--help' || word === '-h') || own[0] === '--version') return [...words]
  throw noCommand(words, commands)
}

/** The reordered words, if they name this command, else undefined. */
function ordered(words: readonly string[], { id, flags }: Known): string[] | undefined {
  const name = id.split(':')
  const options: string[] = []
  const rest = [...words]
  for (const part of name) {
    for (let word = rest[0]; word?.startsWith('-') === true && word !== '--'; word = rest[0])
      options.push(...rest.splice(0, flags[word.slice(2)]?.type === 'option' ? 2 : 1))
    if (rest.shift() !== part) return undefined
  }
  return [...name, ...options, ...rest]
}

function noCommand(words: readonly string[], commands: readonly Known[]): CnilabError {
  const [topic = ''] = words
  const inTopic = commands.flatMap(({ id }) => (id.startsWith(`${topic}:`) ? [id.slice(topic.length + 1)] : []))
  const fix = 'options go with a command, for example: cnilab netns create red --sandbox blue'
  return inTopic.length === 0
    ? new CnilabError('usage', `there is no command in: cnilab ${words.join(' ')}`, { fix })
    : new CnilabError('usage', `cnilab ${topic} is followed by one of ${inTopic.join(', ')}`, { fix })
}
