import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { isInstalled } from '../kernel/environment.ts'
import { spawn } from '../kernel/spawn.ts'
import { distrust } from '../kernel/trust.ts'
import { visible } from '../visible.ts'
import type { PluginOutput } from './protocol/run-plugin.ts'
import type { Environment } from './protocol/request.ts'

/**
 * Writes one line about a call, if CNILAB_LOG or the key `cnilabLog` of the configuration says where: the path of a file, or
 * `syslog`. It is for whoever wonders later, and no reason for a call to fail.
 */
export async function logCall(type: string, env: Environment, output: PluginOutput, ms: number): Promise<void> {
  const where = env['CNILAB_LOG'] || output.about?.log
  if (where === undefined || where === '') return
  const line = visible(lineOf(type, env, output, ms)).replaceAll('\n', ' ')
  try {
    if (where === 'syslog') await toSyslog(line)
    else if (where.startsWith('/')) append(where, `${new Date().toISOString()} ${line}\n`)
  } catch {
    // the disk is full, say
  }
}

function lineOf(type: string, env: Environment, { about, error, code }: PluginOutput, ms: number): string {
  const container = env['CNI_CONTAINERID'] ?? ''
  const words = [
    type,
    env['CNI_COMMAND'] ?? '',
    ...(about?.network === undefined ? [] : [`network=${about.network}`]),
    ...(container === '' ? [] : [`container=${container}`, `interface=${env['CNI_IFNAME'] ?? ''}`]),
    `${Math.round(ms)} ms`,
    error ? `error ${error.code}: ${error.message}` : code === 0 ? 'ok' : 'error',
  ]
  return words.join(' ')
}

/** Appends to a file that nobody else can have put there; lines of calls at the same time do not mix. */
function append(path: string, text: string): void {
  if (distrust(path) !== undefined) return
  const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
  const file = openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600)
  try {
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
}

async function toSyslog(line: string): Promise<void> {
  if (isInstalled('logger')) await spawn(['logger', '-t', 'cnilab', '-p', 'daemon.info', '--', line], { limit: 2 })
}
