import * as fc from 'fast-check'
import { afterAll, beforeAll } from 'vitest'
import * as z from 'zod'
import { CODE } from '../../src/cni/protocol/error.ts'
import { COMMANDS } from '../../src/cni/protocol/plugin-type.ts'
import { types } from '../../src/cni/plugins/types.ts'
import { APP } from '../../src/kernel/host.ts'
import { type Kernel, kernelOf } from '../../src/kernel/kernel.ts'
import { createSandbox, type LiveSandbox } from '../../src/sandbox/create.ts'
import '../helpers.ts'
import { mostly, mutated, text } from './arbitraries.ts'
import type { Case, Outcome } from './case.ts'
import { type Driver, driverIn } from './drive.ts'
import { fuzz } from './fuzz.ts'
import { expectClean, expectOneDocument } from './invariants.ts'
import { calls } from './networks.ts'

let live: LiveSandbox
let kernel: Kernel
let driver: Driver
beforeAll(async () => {
  live = await createSandbox('fuzz')
  kernel = kernelOf(live.host)
  driver = driverIn(kernel)
})
afterAll(() => {
  driver.end()
  live.end()
})

const FOLDER = `${APP.package}/dist/plugins`
const odd = (...expected: string[]) =>
  mostly(
    fc.constantFrom(...expected),
    text.map((word) => word.replaceAll('\0', '')),
    40,
  )
const env = fc.record(
  {
    CNI_COMMAND: odd('ADD', 'ADD', 'ADD', ...COMMANDS),
    CNI_CONTAINERID: odd('web', 'db'),
    CNI_NETNS: odd('/run/netns/red', '/run/netns/none', '/proc/1/ns/net', '/run/netns/pipe', '/dev/zero'),
    CNI_IFNAME: odd('eth0', 'eth1'),
    CNI_PATH: odd(FOLDER, FOLDER, '/no/such', ''),
    CNI_ARGS: odd('', 'IP=10.22.0.8', 'IgnoreUnknown=1;K8S_POD_NAME=x', 'MAC=02:00:00:00:00:09'),
  },
  { requiredKeys: ['CNI_COMMAND', 'CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME', 'CNI_PATH'] },
)
const type = fc.constantFrom(...Object.keys(types))
const input = fc.oneof(
  { weight: 6, arbitrary: mutated(calls.map((one) => JSON.stringify(one))) },
  { weight: 1, arbitrary: text },
)
const call = fc.record({ type, env, input })

/** Errors by which a call is refused before anything is done (CNI spec 1.1.0, "Error"). */
const REFUSALS: readonly number[] = [
  CODE.incompatibleVersion,
  CODE.unsupportedField,
  CODE.environment,
  CODE.decode,
  CODE.config,
]

const errorSchema = z.object({
  cniVersion: z.string(),
  code: z.number(),
  msg: z.string().min(1),
  details: z.string().optional(),
})

/** What holds of every answer of a plugin. Returns it in a word. */
function judge({ code, stdout, stderr, changed }: Omit<Outcome, 'ms'>): string {
  expectClean(stdout)
  expectClean(stderr)
  if (code !== 0 && code !== 1) throw new Error(`it exited with ${code}: ${stderr}`)
  if (code === 0) {
    if (stdout !== '') expectOneDocument(stdout)
    return 'done'
  }
  const error = errorSchema.parse(expectOneDocument(stdout))
  if (error.code === CODE.bug) throw new Error(`it reports a fault: ${stdout}`)
  if (changed && REFUSALS.includes(error.code)) throw new Error(`it refuses, and changed something: ${stdout}`)
  return REFUSALS.includes(error.code) ? 'refused' : 'failed'
}

// A namespace, a pipe in the place of one, and calls of one or two containers, in whatever order.
fuzz(
  'plugins answer with a result or an error, and change nothing where they refuse',
  14,
  fc.array(call, { minLength: 1, maxLength: 3 }),
  async (made) => {
    await kernel.probe([
      'sh',
      '-c',
      '[ -e /run/netns/red ] || ip netns add red; [ -e /run/netns/pipe ] || mkfifo /run/netns/pipe',
    ])
    const outcomes = await driver.run(made satisfies Case[])
    return outcomes.map(judge).join(', ')
  },
)

fuzz(
  'the same for plugins as processes of their own',
  5,
  call,
  async ({ type: name, env: variables, input: given }) => {
    const words = Object.entries(variables).map(([key, value]) => `${key}=${value}`)
    const argv = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', ...words, `${FOLDER}/${name}`]
    const { code, stdout, stderr } = await kernel.probe(argv, undefined, given)
    return judge({ code: code ?? -1, stdout, stderr, changed: false })
  },
)
