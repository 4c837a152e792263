import { readdirSync, statSync } from 'node:fs'
import * as z from 'zod'
import type { Answer, Call } from '../assertions/assertion.ts'
import { CnilabError } from '../errors.ts'
import { READY } from '../packets/names.ts'
import { packageFolder } from '../sandbox/create.ts'
import { INTERNET } from '../state/state.ts'
import { APP, type Host } from './host.ts'
import type { Kernel } from './kernel.ts'
import { inside } from './inside.ts'
import { isNamespace } from './netns-files.ts'
import { MIB, readBytes } from './read-file.ts'
import { type Detached, spawnDetached } from './spawn.ts'

const answerSchema = z.object({ ok: z.boolean(), said: z.string(), status: z.number().exactOptional() })

/** What the internet offers. */
const OFFERS = ['http:80', 'tcp:7', 'udp:7', 'dns:53']

/**
 * Calls from a namespace (undefined: the host itself) with real packets, once, and waits so many seconds for the answer.
 * Throws CnilabError `state` if it cannot be tried, as in a namespace that does not exist.
 */
export async function call(kernel: Kernel, from: string | undefined, whom: Call, seconds: number): Promise<Answer> {
  const args =
    whom.protocol === 'dns'
      ? [whom.protocol, whom.server, whom.name, String(seconds)]
      : [whom.protocol, whom.to, String(whom.port), String(seconds), ...(whom.protocol === 'http' ? [whom.path] : [])]
  const { stdout, stderr } = await kernel.probe(programOf(kernel.host, 'caller', args), from)
  if (stdout === '')
    throw new CnilabError(
      'state',
      `could not call from ${from ?? 'the host'}: ${stderr.trim().split('\n')[0] || 'the caller was stopped'}`,
    )
  return answerSchema.parse(JSON.parse(stdout))
}

/**
 * Starts the internet's responder unless it runs; it lives as long as the sandbox. Of several that ask at once, one starts
 * it. Where there is no internet, as on the machine itself, nothing is done. Takes some 70 ms, or less than one if it runs.
 */
export async function startInternet(host: Host): Promise<void> {
  const file = `/run/netns/${INTERNET}`
  const isThere = host.kind === 'sandbox' && isNamespace(`${host.root}${file}`)
  const inode = isThere ? inodeOf(`${host.root}${file}`) : undefined
  if (inode === undefined || isReady(host, inode)) return
  const program = programOf(host, 'responder', ['--namespace', file, ...OFFERS])
  // In the background: nsenter, which waits for what it started, would stay as long.
  const responder = spawnDetached(inside(host, INTERNET, ['sh', '-c', '"$@" &', 'sh', ...program]))
  try {
    await firstLineOf(responder, INTERNET)
  } finally {
    responder.release()
  }
}

/**
 * Runs `use` while something answers on a port in a namespace (undefined: the host itself): our responder, unless a
 * program listens there already. It ends with its standard input, and so with this process, however that ends.
 */
export async function whileAnswering<T>(
  host: Host,
  netns: string | undefined,
  service: `${'tcp' | 'udp' | 'http' | 'dns'}:${number}`,
  use: () => Promise<T>,
): Promise<T> {
  const responder = spawnDetached(inside(host, netns, programOf(host, 'responder', ['--while-stdin', service])))
  try {
    await firstLineOf(responder, netns)
    return await use()
  } finally {
    responder.lifeline.end()
    await responder.ended
    responder.release()
  }
}

async function firstLineOf(responder: Detached, netns: string | undefined): Promise<void> {
  try {
    await responder.firstLine
  } catch (error) {
    const why = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new CnilabError('state', `nothing could be made to answer in ${netns ?? 'the host'}: ${why}`)
  }
}

/** One of our programs, as the host runs it. What the user tells Node of other programs may not exist there. */
function programOf(host: Host, name: 'caller' | 'responder', args: readonly string[]): string[] {
  const [node, folder] = host.kind === 'machine' ? [process.execPath, packageFolder()] : [APP.node, APP.package]
  return ['env', '-u', 'NODE_OPTIONS', node, `${folder}/dist/src/packets/${name}.js`, ...args]
}

/** Whether the responder of a network namespace listens: any process in the namespace shows its sockets (proc(5)). */
function isReady(host: Host, inode: number): boolean {
  const processes = readdirSync(`${host.root}/proc`).filter((entry) => /^\d+$/.test(entry))
  const pid = processes.find((entry) => inodeOf(`${host.root}/proc/${entry}/ns/net`) === inode)
  if (pid === undefined) return false
  try {
    const sockets = readBytes(`${host.root}/proc/${pid}/net/unix`, 16 * MIB)
      .toString('latin1')
      .split('\n')
    return sockets.some((line) => line.endsWith(` ${READY.replace('\0', '@')}`))
  } catch {
    return false // it ended meanwhile
  }
}

function inodeOf(file: string): number | undefined {
  try {
    return statSync(file).ino
  } catch {
    return undefined // it does not exist, or not any more
  }
}
