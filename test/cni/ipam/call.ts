import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'
import * as z from 'zod'
import { hostLocal } from '../../../src/cni/ipam/host-local.ts'
import { staticIpam } from '../../../src/cni/ipam/static.ts'
import type { CniCommand } from '../../../src/cni/protocol/plugin-type.ts'
import { runPlugin } from '../../../src/cni/protocol/run-plugin.ts'
import { OURS_OUTSIDE } from '../plugin.ts'

const types = { 'host-local': hostLocal, static: staticIpam }

/** Go's plugins, if they are installed. */
export const reference = '/usr/lib/cni/host-local'

/** A folder of this file's own for stores. */
export const dataDir = mkdtempSync(join(tmpdir(), 'cnilab-ipam-'))
afterAll(() => rmSync(dataDir, { recursive: true, force: true }))

let networks = 0

/** A configuration of a network of its own. */
export function network(ipam: object, more: object = {}): { name: string; [key: string]: unknown } {
  return {
    name: `net${++networks}`,
    cniVersion: '1.1.0',
    type: 'bridge',
    ipam: { type: 'host-local', dataDir, ...ipam },
    ...more,
  }
}

const answerSchema = z.object({
  cniVersion: z.string().optional(),
  ips: z.array(z.object({ address: z.string(), gateway: z.string().optional() })).optional(),
  routes: z.array(z.unknown()).optional(),
  dns: z.unknown().optional(),
  code: z.number().optional(),
  msg: z.string().optional(),
  details: z.string().optional(),
})
/** What an IPAM plugin prints: a result, or an error. */
export type Answer = z.infer<typeof answerSchema>

function variables(command: CniCommand, containerId: string, ifname: string, args: string): Record<string, string> {
  const attachment = { CNI_CONTAINERID: containerId, CNI_IFNAME: ifname, CNI_NETNS: '/run/netns/none', CNI_ARGS: args }
  return { CNI_COMMAND: command, CNI_PATH: '/usr/lib/cni', ...(containerId === '' ? {} : attachment) }
}

function read(stdout: string): Answer {
  return answerSchema.parse(stdout === '' ? {} : JSON.parse(stdout))
}

/** One call of ours, in this process. */
export async function call(
  command: CniCommand,
  config: object,
  containerId = '',
  {
    ifname = 'eth0',
    args = '',
    type = 'host-local',
  }: { ifname?: string; args?: string; type?: keyof typeof types } = {},
): Promise<Answer> {
  const env = variables(command, containerId, ifname, args)
  let told = ''
  const tell = (text: string) => void (told += text)
  const answer = await runPlugin(type, types[type], env, () => JSON.stringify(config), tell)
  return read(told + answer.stdout)
}

/** The argv of host-local in a process of its own: ours, as it is built, or the reference. */
export const programs = { ours: [join(OURS_OUTSIDE, 'host-local')], reference: [reference] }

/** One call of a program; killed after some milliseconds, if any. The answer is empty if it printed none. */
export function callProgram(
  [file = '', ...rest]: readonly string[],
  command: CniCommand,
  config: object,
  containerId: string,
  { ifname = 'eth0', args = '', killAfter = 0 } = {},
): Promise<Answer> {
  const child = spawn(file, rest, {
    env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin`, ...variables(command, containerId, ifname, args) },
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stdin.on('error', () => undefined).end(JSON.stringify(config))
  const timer = killAfter > 0 ? setTimeout(() => child.kill('SIGKILL'), killAfter) : undefined
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      try {
        resolve(read(stdout))
      } catch (error) {
        reject(error)
      }
    })
  })
}

/** The addresses that are taken in a network. */
export function takenIn({ name }: { name: string }): string[] {
  return readdirSync(join(dataDir, name)).filter((file) => isIP(file) !== 0)
}

/** The first address of a result, with its prefix. */
export function first({ ips }: Answer): string | undefined {
  return ips?.[0]?.address
}
