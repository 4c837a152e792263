// Runs in a sandbox, where it can harm nothing: gets cases on descriptor 4, one JSON document a line, does each with
// the code of the program in this very process, which takes a hundredth of the time that a process of its own would, and
// answers in a line on descriptor 3.
import { createHash } from 'node:crypto'
import { createReadStream, lstatSync, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { types } from '../../src/cni/plugins/types.ts'
import { setOwnFile } from '../../src/cni/programs/find-plugin.ts'
import { runPlugin } from '../../src/cni/protocol/run-plugin.ts'
import { APP } from '../../src/kernel/host.ts'
import { once } from '../../src/once.ts'
import type { Case, Outcome } from './case.ts'

/**
 * What a case may change, as one text: interfaces, IPv4 addresses and routes, forwarding, and all files that can be
 * written. What comes by itself a moment later, such as IPv6's link-local addresses, is left out.
 */
function state(): string {
  const files = ['/run', '/var/lib', '/tmp'].flatMap(listed)
  const links = readFileSync('/proc/net/dev', 'utf8').replaceAll(/: .*/g, '') // counters
  const others = ['/proc/net/fib_trie', '/proc/net/route', '/proc/sys/net/ipv4/ip_forward'].map((file) =>
    readFileSync(file, 'utf8'),
  )
  return createHash('sha256')
    .update([...files, links, ...others].join('\n'))
    .digest('hex')
}

/** The files of a folder with their content; not what is the sandbox's own, which is read-only. */
function listed(path: string): string[] {
  try {
    const stat = lstatSync(path)
    if (stat.isSymbolicLink()) return [`${path} -> ${readlinkSync(path)}`]
    if (stat.isDirectory()) {
      if (path.startsWith('/run/netns/')) return []
      return [path, ...readdirSync(path).flatMap((name) => listed(`${path}/${name}`))]
    }
    return [`${path} ${stat.isFile() && stat.size < 100_000 ? readFileSync(path, 'latin1') : stat.mode}`]
  } catch {
    return [] // it went meanwhile
  }
}

/** Calls a plugin as its main program does. */
async function callPlugin({
  type,
  env,
  input,
}: Extract<Case, { type: string }>): Promise<Omit<Outcome, 'ms' | 'changed'>> {
  const plugin = await types[type]?.()
  if (!plugin) throw new Error(`there is no plugin ${type}`)
  const told: string[] = []
  const outcome = await runPlugin(
    type,
    plugin,
    env,
    () => input,
    (text) => told.push(text),
  )
  return { ...outcome, stdout: told.join('') + outcome.stdout }
}

const moduleSchema = z.object({ main: z.custom<() => Promise<void>>((value) => typeof value === 'function') })

/** The built program's own main function, as the sandbox has it. */
const program = once(async () => moduleSchema.parse(await import(`${APP.package}/dist/src/main.cjs`)).main)

/** Runs a command line, and collects what it prints; what its programs print goes to this process's own. */
async function runCommand({
  argv,
}: Extract<Case, { argv: readonly string[] }>): Promise<Omit<Outcome, 'ms' | 'changed'>> {
  const printed = { stdout: '', stderr: '' }
  const real = { stdout: process.stdout.write.bind(process.stdout), stderr: process.stderr.write.bind(process.stderr) }
  for (const name of ['stdout', 'stderr'] as const)
    process[name].write = (text: string | Uint8Array) => {
      printed[name] += typeof text === 'string' ? text : Buffer.from(text).toString('utf8')
      return true
    }
  process.argv.splice(2, Infinity, ...argv)
  process.exitCode = undefined
  try {
    await (
      await program()
    )()
    return { code: typeof process.exitCode === 'number' ? process.exitCode : 0, ...printed }
  } finally {
    process.removeAllListeners('uncaughtException').on('uncaughtException', fault)
    Object.assign(process.stdout, { write: real.stdout })
    Object.assign(process.stderr, { write: real.stderr })
    process.exitCode = 0
  }
}

function fault(error: unknown): never {
  const stderr = `bug in cnilab, unhandled: ${error instanceof Error ? error.stack : String(error)}`
  writeSync(3, `${JSON.stringify({ code: -1, stdout: '', stderr, ms: 0, changed: false })}\n`)
  process.exit(1)
}

async function main(): Promise<void> {
  setOwnFile(`${APP.package}/dist/plugins/bridge`)
  process.on('uncaughtException', fault).on('unhandledRejection', fault)
  for await (const line of createInterface(createReadStream('', { fd: 4 }))) {
    const one: Case = JSON.parse(line)
    const before = state()
    const started = performance.now()
    const outcome = 'argv' in one ? await runCommand(one) : await callPlugin(one)
    const ms = performance.now() - started
    await sleep(0)
    writeSync(3, `${JSON.stringify({ ...outcome, ms, changed: state() !== before })}\n`)
  }
}

void main()
