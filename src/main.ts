import { join } from 'node:path'
import { type Command, type Interfaces, run, settings } from '@oclif/core'
import pkg from '../package.json' with { type: 'json' }
import { packageFolder } from './kernel/package-folder.ts'
import { readText } from './kernel/read-file.ts'
import { commandFirst } from './ui/terminal/command-first.ts'
import { ignoreWriteErrors } from './write-errors.ts'
import { errorDocument, formatError, show } from './ui/terminal/error.ts'
import { printJson, printError } from './ui/terminal/output.ts'

type Started = (command: string) => unknown

/** The summary of a command is its help's first line, and not said again below. */
const helpOptions = { hideCommandSummaryInDescription: true, maxWidth: Math.max(40, process.stdout.columns || 80) }

/** All commands, from the manifest that the build wrote. Calls `started` with the name of the one that is run. */
function program(started: Started): Interfaces.Plugin {
  const root = packageFolder()
  // Written by src/generate.ts.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { commands } = JSON.parse(readText(join(root, 'oclif.manifest.json'))) as Interfaces.Manifest
  const { name, version } = pkg
  const findCommand = async (id: string): Promise<Command.Class> => {
    started(id)
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each file there has a command
    const file = (await import(`../commands/${id.replaceAll(':', '/')}.ts`)) as { default: Command.Class }
    ignoreWriteErrors() // loading a command has added oclif's own listener
    return Object.assign(file.default, { id, plugin })
  }
  const plugin: Interfaces.Plugin = {
    _base: '',
    alias: name,
    commandIDs: Object.keys(commands),
    commands: Object.values(commands).map((command) => ({
      ...command,
      pluginAlias: name,
      pluginType: 'core',
      load: () => findCommand(command.id),
    })),
    commandsDir: undefined,
    findCommand,
    hasManifest: true,
    hooks: {},
    isRoot: true,
    load: () => Promise.resolve(),
    moduleType: 'module',
    name,
    options: { root },
    pjson: { ...pkg, oclif: { ...pkg.oclif, topicSeparator: ' ', helpOptions } },
    root,
    topics: Object.entries(pkg.oclif.topics).map(([topic, about]) => ({ name: topic, ...about })),
    type: 'core',
    valid: true,
    version,
  }
  return plugin
}

process.env['CNILAB_DISABLE_THEME'] = '1' // would read a file that the environment names
// With NODE_ENV=development, which is meant for other programs, oclif would look for our sources.
settings.enableAutoTranspile = false

/** Runs the command that the arguments name, and shows errors, even those before a command is found. */
export async function main(started: Started = () => undefined): Promise<void> {
  ignoreWriteErrors()
  process.on('uncaughtException', (error) => {
    showError(error)
    process.exit()
  })
  // A terminal that does not know its width, such as a serial console, reports 0: each line would hold one letter.
  if (process.stdout.columns === 0) process.stdout.columns = 80
  try {
    const words = await given()
    if (!words) return
    const plugin = program(started)
    // Without this list, oclif would run the plugins that its data folder names, and somebody else may have filled that.
    await run(asOclifWants(words, plugin.commands), { root: plugin.root, plugins: new Map([[plugin.name, plugin]]) })
  } catch (error) {
    showError(error)
  }
}

function showError(error: unknown): void {
  const shown = show(error)
  if (!shown) return
  if (process.argv.includes('--json')) printJson(errorDocument(shown))
  else printError(formatError(shown))
  process.exitCode = shown.exitCode
}

/** Moves options behind the command: they may be typed before it, or between its words. */
function asOclifWants(words: string[], commands: readonly Command.Loadable[]): string[] {
  const [first = '', second = ''] = words
  const isUnsaid = first.startsWith('-') || (first in pkg.oclif.topics && second.startsWith('-'))
  return isUnsaid ? commandFirst(words, commands) : words
}

/** The arguments; on a terminal, if there are none, those chosen from the menu (undefined if nothing was). */
async function given(): Promise<string[] | undefined> {
  const typed = process.argv.slice(2)
  if (typed.length > 0 || !process.stdin.isTTY || !process.stdout.isTTY) return typed
  const { menu } = await import('./ui/terminal/menu.ts')
  return menu()
}
