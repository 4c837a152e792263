import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { CallOutcome, PacketCall } from '../assertions/assertion.ts'
import { CnilabError } from '../errors.ts'
import { READY } from '../packets/names.ts'
import { readJson } from '../state/json.ts'
import { packageFolder } from './package-folder.ts'
import { INTERNET } from '../state/state.ts'
import { type DetachedProcess, spawnDetached } from './detached.ts'
import { environmentOn } from './environment.ts'
import { APP, type Host } from './host.ts'
import { endedMeanwhile, hasEnded } from './host-root.ts'
import type { Kernel } from './kernel.ts'
import { spawnOn } from './on-host.ts'
import { StoppedError } from './spawn.ts'
import { remedyForLimit } from './limits.ts'
import { inside } from './inside.ts'
import { netnsAt } from './netns-files.ts'
import { MIB, readBytes } from './read-file.ts'
import { processesIn } from './processes.ts'

const answerSchema = z.object({
  ok: z.boolean(),
  detail: z.string(),
  status: z.number().exactOptional(),
  contains: z.boolean().exactOptional(),
})

/** How long a responder may take to start, and to end, in seconds. */
const TIME_LIMIT = 8

/** The services of the internet. */
const OFFERS = ['http:80', 'tcp:7', 'udp:7', 'dns:53']

/**
 * Makes one call with real packets from a namespace (undefined: the host itself), and waits that many seconds for the
 * answer. `isSoon`: somebody is just about to listen there. Throws CnilabError `state` if it cannot be tried, as in a namespace that does not exist.
 */
export async function call(
  kernel: Kernel,
  from: string | undefined,
  whom: PacketCall,
  seconds: number,
  { isSoon = false }: { isSoon?: boolean } = {},
): Promise<CallOutcome> {
  const args =
    whom.protocol === 'dns'
      ? [whom.protocol, whom.server, whom.name, String(seconds)]
      : [whom.protocol, whom.to, String(whom.port), String(seconds), ...textsOf(whom)]
  const words = [...(isSoon ? ['soon'] : []), ...args]
  const { stdout, stderr } = await kernel.probe(programOf(kernel.host, 'caller', words), from)
  if (stdout === '')
    throw new CnilabError(
      'state',
      `could not call from ${from ?? 'the host'}: ${stderr.trim().split('\n')[0] || 'the caller was stopped'}`,
    )
  return readJson(`caller ${args.join(' ')}`, stdout, answerSchema)
}

/** What to ask for, or to say. As JSON, a text can hold anything and still be one argument. */
function textsOf(whom: Exclude<PacketCall, { protocol: 'dns' }>): string[] {
  const shown = (text: string | undefined) => (text === undefined ? [] : [JSON.stringify(text)])
  return whom.protocol === 'http' ? [whom.path, ...shown(whom.contains)] : shown(whom.say)
}

/** Whether nothing has to be started for the internet to answer, or there is no internet, as on the machine itself. */
export function isInternetReady(host: Host): boolean {
  const inode = host.kind === 'machine' ? undefined : netnsAt(host, INTERNET)?.inode
  return inode === undefined || isReady(inode)
}

/** The responders of the internet that are being started. */
const starting = new WeakMap<Host, Promise<void>>()

/**
 * Starts the internet's responder unless it is running; it lives as long as the sandbox. If several ask at once, also several
 * processes, only one is started. Does nothing where there is no internet, as on the machine itself. Takes some 70 ms, or less
 * than 1 ms if it is running.
 */
export function startInternet(host: Host): Promise<void> {
  const known = starting.get(host)
  if (known) return known
  const promise = startResponder(host).finally(() => starting.delete(host))
  starting.set(host, promise)
  return promise
}

async function startResponder(host: Host): Promise<void> {
  if (isInternetReady(host)) return
  const program = programOf(host, 'responder', ['--namespace', `/run/netns/${INTERNET}`, ...OFFERS])
  // In the background: otherwise nsenter would wait for it to end.
  const responder = await startOn(host, INTERNET, ['sh', '-c', '"$@" &', 'sh', ...program])
  try {
    await firstLineOf(responder, host, INTERNET)
  } catch (error) {
    responder.kill() // it may hang
    throw error
  } finally {
    responder.release()
  }
}

/**
 * Runs `use` while something answers on a port in a namespace (undefined: the host itself): our responder, unless a program
 * already listens there. The responder ends with its standard input, and so with this process, however that ends.
 */
export async function whileAnswering<T>(
  host: Host,
  netns: string | undefined,
  service: `${'tcp' | 'udp' | 'http' | 'dns'}:${number}`,
  use: () => Promise<T>,
): Promise<T> {
  const responder = await startOn(host, netns, programOf(host, 'responder', ['--while-stdin', service]))
  try {
    await firstLineOf(responder, host, netns)
    return await use()
  } finally {
    responder.lifeline.end()
    // The timer must not keep this process alive: the responder has ended long before.
    await Promise.race([responder.ended, sleep(1000 * TIME_LIMIT, undefined, { ref: false })])
    responder.kill()
    responder.release()
  }
}

function startOn(host: Host, netns: string | undefined, argv: readonly string[]): Promise<DetachedProcess> {
  return spawnDetached(inside(host, netns, argv), environmentOn(host))
}

async function firstLineOf(responder: DetachedProcess, host: Host, netns: string | undefined): Promise<void> {
  const refused = async (reason: string) => {
    if (hasEnded(host)) return endedMeanwhile()
    const why = remedyForLimit(reason) === undefined ? ((await limitOfProcesses(host)) ?? reason) : reason
    const fix = remedyForLimit(why)
    const message = `could not start a responder in ${netns ?? 'the host'}: ${why}`
    return fix === undefined ? new CnilabError('state', message) : new CnilabError('machine', message, { fix })
  }
  let line: string | undefined
  try {
    line = await responder.nextLine(TIME_LIMIT)
  } catch (error) {
    throw await refused(
      responder.complaint().split('\n')[0] || (error instanceof Error ? error.message : String(error)),
    )
  }
  if (line === undefined) throw await refused(responder.complaint().split('\n')[0] || 'it ended without a message')
}

/** How many threads and processes one of our programs takes to start, and a few more. */
const NEEDED = 16

/**
 * The kernel's message if the limit of processes leaves no room for one of our programs; undefined if there is room. Node
 * does not report it: if it cannot start all of its threads it hangs, or aborts without a message.
 */
async function limitOfProcesses(host: Host): Promise<string | undefined> {
  const script = `i=0; while [ $i -lt ${NEEDED} ]; do sleep 1 & i=$((i + 1)); done`
  const message = await spawnOn(host, undefined, ['sh', '-c', script], { limit: 2, mayLeave: true }).then(
    ({ stderr }) => stderr,
    (error: unknown) => `${error instanceof StoppedError ? error.printed : ''}\n${String(error)}`,
  )
  return message.split('\n').find((line) => remedyForLimit(line) !== undefined)
}

/** The argv of one of our programs on the host. The modules in the user's NODE_OPTIONS may not exist there. */
function programOf(host: Host, name: 'caller' | 'responder', args: readonly string[]): string[] {
  const [node, folder] = host.kind === 'machine' ? [process.execPath, packageFolder()] : [APP.node, APP.package]
  return ['env', '-u', 'NODE_OPTIONS', node, `${folder}/dist/src/packets/${name}.js`, ...args]
}

/** Whether the responder of a network namespace listens: any process in the namespace shows its sockets (proc(5)). */
function isReady(inode: number): boolean {
  const [pid] = processesIn(inode)
  if (pid === undefined) return false
  try {
    const sockets = readBytes(`/proc/${pid}/net/unix`, 16 * MIB)
      .toString('latin1')
      .split('\n')
    return sockets.some((line) => line.endsWith(` ${READY.replace('\0', '@')}`))
  } catch {
    return false // it ended meanwhile
  }
}
