import { spawn } from 'node:child_process'
import { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import * as z from 'zod'
import { APP, type Host } from '../../src/kernel/host.ts'
import { inside } from '../../src/kernel/inside.ts'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { spawnOn } from '../../src/kernel/on-host.ts'
import type { Case, Outcome } from './case.ts'

/** A case that takes longer than this, in ms, hangs. */
const LONGEST = 10_000

const outcomeSchema = z.object({
  code: z.number(),
  stdout: z.string(),
  stderr: z.string(),
  ms: z.number(),
  changed: z.boolean(),
})

/** Does cases in a sandbox, each in the state in which a sandbox begins. */
export interface Driver {
  /** What came of some cases, one after the other. */
  run: (cases: readonly Case[]) => Promise<Outcome[]>
  end: () => void
}

/** Starts the driver in a sandbox; its program is read from where the sandbox finds what it is given. */
export function driverIn({ host }: Kernel): Driver {
  const file = 'fuzz-driver.mjs'
  buildSync({
    entryPoints: [join(import.meta.dirname, 'driver.ts')],
    outfile: join(host.batches.folder, file),
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['bun:ffi'],
    banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
  })
  const start = () => startIn(host, `${host.batches.seen}/${file}`)
  let running: Running | undefined
  return {
    run: async (cases) => {
      running ??= start()
      const outcomes: Outcome[] = []
      try {
        for (const one of cases) outcomes.push(await running.answer(one))
      } catch (error) {
        running.end()
        running = undefined
        await clear(host)
        throw error
      }
      if (outcomes.some(({ changed }) => changed)) await clear(host)
      return outcomes
    },
    end: () => running?.end(),
  }
}

/** Removes what cases left: interfaces, namespaces, rules, files. Faster than to make another sandbox. */
const CLEAR = `cd /run/netns && for name in *; do [ "$name" = internet ] || ip netns delete "$name" || rm -rf "$name"; done
for link in $(ip -o link show | cut -d: -f2 | cut -d@ -f1); do
  case $link in lo | eth0) ;; *) ip link delete dev "$link" ;; esac
done
nft flush ruleset
sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
rm -rf /var/lib/* /tmp/* /run/root
for file in /run/cnilab/*; do [ "$file" = /run/cnilab/journal.jsonl ] || rm -rf "$file"; done
: >/run/cnilab/journal.jsonl`

async function clear(host: Host): Promise<void> {
  await spawnOn(host, undefined, ['sh', '-c', CLEAR])
}

interface Running {
  answer: (one: Case) => Promise<Outcome>
  end: () => void
}

function startIn(host: Host, file: string): Running {
  const env = ['env', '-i', `PATH=${APP.bin}:/usr/sbin:/usr/bin:/sbin:/bin`, 'HOME=/tmp', 'NO_COLOR=1']
  const [program = '', ...rest] = inside(host, undefined, [...env, APP.node, file])
  const child = spawn(program, rest, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const [, , , answers, cases] = child.stdio
  if (!child.stdout || !child.stderr || !(answers instanceof Readable) || !(cases instanceof Writable))
    throw new Error('there are not all pipes')
  const said = { stdout: '', stderr: '', line: '' }
  let settle: () => void = () => undefined
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text))
  answers.setEncoding('utf8').on('data', (text: string) => {
    said.line += text
    if (said.line.includes('\n')) settle()
  })
  cases.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const answer = async (one: Case): Promise<Outcome> => {
    said.stdout = said.stderr = said.line = ''
    const answered = new Promise<void>((resolve) => (settle = resolve))
    cases.write(`${JSON.stringify(one)}\n`)
    const late = new AbortController()
    const isLate = await Promise.race([
      answered.then(() => false),
      closed.then(() => false),
      sleep(LONGEST, true, { signal: late.signal }).catch(() => false),
    ])
    late.abort()
    if (isLate) throw new Error(`it did not end within ${LONGEST / 1000} s`)
    if (!said.line.includes('\n')) throw new Error(`the process ended: ${said.stderr}`)
    const outcome = outcomeSchema.parse(JSON.parse(said.line))
    return { ...outcome, stdout: outcome.stdout + said.stdout, stderr: outcome.stderr + said.stderr }
  }
  return { answer, end: () => child.kill('SIGKILL') }
}
