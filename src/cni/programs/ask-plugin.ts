import { resolve } from 'node:path'
import * as z from 'zod'
import { type Execution, execute } from '../protocol/execute.ts'
import { wrongProgram } from './find-plugin.ts'
import { MACHINE } from '../../kernel/host.ts'
import { StoppedError } from '../../kernel/spawn.ts'
import { distrust } from '../../kernel/trust.ts'
import { parseJson } from '../../state/json.ts'

/** What a plugin's executable says about itself. */
export interface Introduction {
  /** The versions that it supports, in its own words. */
  speaks: readonly string[]
  /** Who made it, and its version. */
  madeBy: string
}

/** After how many seconds to give up: a plugin answers within milliseconds. */
const TIME_LIMIT = '2'

/** timeout(1) also kills the program's children, which would keep its output open. */
const impatient = { ...MACHINE, enter: ['timeout', '-s', 'KILL', TIME_LIMIT] }

const answerSchema = z.object({ supportedVersions: z.array(z.string()).min(1) })

/**
 * Asks an executable only for the versions that it supports. Returns, in words, why it is not a plugin, or why it was not
 * asked: it would run as this user.
 */
export async function askPlugin(file: string): Promise<Introduction | string> {
  const why = distrust(file)
  if (why !== undefined) return `not asked, because others may have put it there: ${why}`
  const wrong = wrongProgram(file)
  if (wrong !== undefined) return `no plugin that can be started: ${wrong}`
  // Without a command, plugins based on libcni print both their maker and their versions: one start is enough.
  const about = await ask(file, {}, '')
  if (!about) return 'not a plugin: it never stops printing'
  const madeBy = maker(about.stderr)
  const [, versions] = /^CNI protocol versions supported: ([\d., ]+)$/m.exec(about.stderr) ?? []
  if (about.code === 0 && versions !== undefined) return { speaks: versions.split(', '), madeBy }
  if (isLate(about) || notStarted(about) !== undefined) return refusal(about)
  const answer = await ask(file, { CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.1.0"}')
  if (!answer) return 'not a plugin: it never stops printing'
  const speaks = answerSchema.safeParse(parseJson(answer.stdout)).data?.supportedVersions
  return speaks === undefined || answer.code !== 0 ? refusal(answer) : { speaks, madeBy }
}

/** How many characters of output to read: an answer to VERSION has a few hundred. */
const MAX_OUTPUT = 64 * 1024

/** Runs the program; undefined if it prints more than that. */
async function ask(
  file: string,
  variables: Readonly<Record<string, string>>,
  input: string,
): Promise<Execution | undefined> {
  try {
    // A program that never stops printing is killed with its children, as timeout(1) does with one that takes too long.
    // It is started in another folder.
    return await execute(impatient, resolve(file), variables, input, { most: MAX_OUTPUT, detached: true })
  } catch (error) {
    if (error instanceof StoppedError) return undefined
    throw error
  }
}

function refusal(answer: Execution): string {
  const { code, signal, stdout, stderr } = answer
  const cannotStart = notStarted(answer)
  if (cannotStart !== undefined) return `cannot be started: ${cannotStart.toLowerCase()}`
  if (isLate(answer)) return `not a plugin: no answer to VERSION within ${TIME_LIMIT} s`
  const printed = (stderr.trim() || stdout.trim()).split('\n')[0] ?? ''
  const how = code === 0 ? '' : code === undefined ? ` (${signal})` : ` (exit ${code})`
  return `not a plugin: no answer to VERSION${how}${printed === '' ? '' : `, but: ${printed.slice(0, 60)}`}`
}

/** Why a program cannot be started, according to timeout(1). */
function notStarted({ stderr }: Execution): string | undefined {
  return /^timeout: failed to run command .*: (.*)$/m.exec(stderr)?.[1]
}

function isLate({ code, signal }: Execution): boolean {
  return signal === 'SIGKILL' || code === 137
}

/** Who made a plugin, from its "about" text. */
function maker(about: string): string {
  if (about.startsWith("cnilab's CNI plugin")) return 'cnilab'
  const [first = ''] = about.trim().split('\n')
  const [, version] = /^CNI \S+ plugin (?:version )?(\S+)/.exec(first) ?? []
  if (version === undefined) return first === '' ? 'unknown' : first.slice(0, 40)
  return version === 'unknown' ? 'containernetworking' : `containernetworking ${version}`
}
