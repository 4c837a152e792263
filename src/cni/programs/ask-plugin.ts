import { closeSync, openSync, readSync } from 'node:fs'
import * as z from 'zod'
import { type Execution, execute } from '../protocol/execute.ts'
import { MACHINE } from '../../kernel/host.ts'
import { StoppedError } from '../../kernel/spawn.ts'
import { distrust } from '../../kernel/trust.ts'
import { parseJson } from '../../state/json.ts'

/** What a plugin's executable says of itself. */
export interface Introduction {
  /** The versions that it speaks, as it gives them. */
  speaks: readonly string[]
  /** Who made it, and its version. */
  madeBy: string
}

/** A plugin answers within milliseconds; what takes this many seconds is not one. */
const PATIENCE = '2'

/** timeout(1) ends what the program has started, too, which would keep its output open. */
const impatient = { ...MACHINE, enter: ['timeout', '-s', 'KILL', PATIENCE] }

const answerSchema = z.object({ supportedVersions: z.array(z.string()).min(1) })

/**
 * Asks an executable for the versions that it speaks, and nothing else. Returns why it is no plugin, if it is none, or why
 * it was not asked: it would run as this user.
 */
export async function askPlugin(file: string): Promise<Introduction | string> {
  const why = distrust(file)
  if (why !== undefined) return `not asked, since others may have put it there: ${why}`
  if (!isProgram(file)) return 'neither a program nor a script'
  // Without a command, those that rest on libcni say both who made them and what they speak: they are started once.
  const about = await ask(file, {}, '')
  if (!about) return 'not a plugin: it prints without an end'
  const madeBy = maker(about.stderr)
  const [, versions] = /^CNI protocol versions supported: ([\d., ]+)$/m.exec(about.stderr) ?? []
  if (about.code === 0 && versions !== undefined) return { speaks: versions.split(', '), madeBy }
  if (isLate(about) || notStarted(about) !== undefined) return refusal(about)
  const answer = await ask(file, { CNI_COMMAND: 'VERSION' }, '{"cniVersion":"1.1.0"}')
  if (!answer) return 'not a plugin: it prints without an end'
  const speaks = answerSchema.safeParse(parseJson(answer.stdout)).data?.supportedVersions
  return speaks === undefined || answer.code !== 0 ? refusal(answer) : { speaks, madeBy }
}

/** So many characters are read of what it prints: an answer to VERSION has a few hundred. */
const MOST = 64 * 1024

/** Undefined for one that prints more than that. */
async function ask(
  file: string,
  variables: Readonly<Record<string, string>>,
  input: string,
): Promise<Execution | undefined> {
  try {
    // What prints without an end is ended with all that it started, as timeout(1) does with what takes too long.
    return await execute(impatient, file, variables, input, { most: MOST, detached: true })
  } catch (error) {
    if (error instanceof StoppedError) return undefined
    throw error
  }
}

/** The C library hands a file of any other kind to a shell, line by line: a text that is executable would be done. */
function isProgram(file: string): boolean {
  const start = Buffer.alloc(4)
  try {
    const descriptor = openSync(file, 'r')
    readSync(descriptor, start)
    closeSync(descriptor)
  } catch {
    return true // it may be run and not read
  }
  return start.toString('latin1') === '\x7fELF' || start.toString('latin1').startsWith('#!')
}

function refusal(answer: Execution): string {
  const { code, signal, stdout, stderr } = answer
  const cannotStart = notStarted(answer)
  if (cannotStart !== undefined) return `cannot be started: ${cannotStart.toLowerCase()}`
  if (isLate(answer)) return `not a plugin: no answer to VERSION within ${PATIENCE} s`
  const said = (stderr.trim() || stdout.trim()).split('\n')[0] ?? ''
  const how = code === 0 ? '' : code === undefined ? ` (${signal})` : ` (exit ${code})`
  return `not a plugin: no answer to VERSION${how}${said === '' ? '' : `, but: ${said.slice(0, 60)}`}`
}

/** Why a program cannot be started, as timeout(1) says it. */
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
