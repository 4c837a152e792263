import { isDeepStrictEqual } from 'node:util'
import { parseJson } from '../../state/json.ts'
import { quote } from '../../plan/command-line.ts'
import { toVersion, type Result } from '../protocol/result.ts'
import { atLeast } from '../protocol/versions.ts'
import type { Bench } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { demand, NotApplicable } from './verdict.ts'
import { ipamTypeOf } from './configs.ts'
import { fails, inWords, isSame, succeeds } from './judge.ts'

/** A fake IPAM plugin that replaces the real one: its name, its directory, and its log. */
const FAKE = { type: 'conformance-ipam', folder: '/tmp/conformance-bin', log: '/tmp/conformance-log' }
const FAILURE = { code: 117, msg: 'conformance: this address plugin fails' }

const ADDRESS: Result = {
  interfaces: [],
  ips: [{ address: '10.98.0.77/16', gateway: '10.98.0.1' }],
  routes: [{ dst: '0.0.0.0/0' }],
  dns: {},
}

/**
 * Installs the fake IPAM plugin, a shell script that records its variables and input, and fails in the commands `failing`.
 * Prints a result only for VERSION and ADD. Returns the change to the configuration that uses it.
 */
async function fakeIpam(bench: Bench, failing: readonly string[] = []): Promise<Record<string, unknown>> {
  if (bench.hopeless !== undefined) throw new NotApplicable(bench.hopeless)
  if (ipamTypeOf(bench.subject.config) === undefined) throw new NotApplicable('the configuration names no IPAM plugin')
  const versions = JSON.stringify({ cniVersion: bench.version, supportedVersions: bench.subject.versions })
  const result = JSON.stringify(toVersion(ADDRESS, bench.version))
  const error = JSON.stringify({ cniVersion: bench.version, ...FAILURE })
  const script = [
    '#!/bin/sh',
    `[ "$CNI_COMMAND" != VERSION ] || { echo '${versions}'; exit 0; }`,
    `echo "$CNI_COMMAND" >>${FAKE.log}`,
    `cat >${FAKE.log}-input-$CNI_COMMAND`,
    `env >${FAKE.log}-env-$CNI_COMMAND`,
    'echo "conformance on stderr" >&2',
    `case $CNI_COMMAND in ${[...failing, '-'].join('|')}) echo '${error}'; exit 1;; ADD) echo '${result}';; esac`,
  ]
  const lines = script.map(quote).join(' ')
  const file = `${FAKE.folder}/${FAKE.type}`
  await bench.shell(`mkdir -p ${FAKE.folder}; printf '%s\\n' ${lines} >${file}; chmod 755 ${file}`)
  return { ipam: { type: FAKE.type, marker: 'kept' } }
}

/** Call options with which the plugin finds the fake IPAM plugin. */
function delegating(bench: Bench, change: Record<string, unknown>) {
  return { change, variables: { CNI_PATH: [FAKE.folder, ...bench.subject.path].join(':') } }
}

/** The commands with which the fake IPAM plugin was called. */
async function called(bench: Bench): Promise<string[]> {
  return (await bench.kernel.probe(['cat', FAKE.log])).stdout.split('\n').filter((line) => line !== '')
}

/** A check of a plugin that delegates addresses to another one. */
function delegate(id: string, title: string, level: Check['level'], run: Check['run'], since?: Check['since']): Check {
  const rest = { level, spec: SPEC.delegation, kinds: ['interface'] as const, run }
  return { id: `delegate.${id}`, title, ...rest, ...(since === undefined ? {} : { since }) }
}

async function passesOn(bench: Bench, command: 'GC' | 'STATUS'): Promise<void> {
  const options = delegating(bench, await fakeIpam(bench))
  await bench.attach('c1', options)
  const call = command === 'GC' ? bench.gc([], options) : bench.call(command, options)
  succeeds(await call, command)
  const seen = await called(bench)
  demand(
    seen.includes(command),
    `the IPAM plugin to be called with ${command}`,
    `it was called with ${seen.join(', ')}`,
  )
}

/** Checks of delegation: a fake IPAM plugin records how it is called, or fails. */
export const delegation: readonly Check[] = [
  delegate('calls', 'ADD, CHECK and DEL call the IPAM plugin with the same command', 'required', async (bench) => {
    const options = delegating(bench, await fakeIpam(bench))
    await bench.attach('c1', options)
    const commands = atLeast(bench.version, '0.4.0') ? ['CHECK', 'DEL'] : ['DEL']
    for (const command of commands) succeeds(await bench.call(command, options), command)
    const seen = await called(bench)
    const wanted = ['ADD', ...commands]
    demand(
      wanted.every((command) => seen.includes(command)),
      `the IPAM plugin to be called with ${wanted.join(', ')}`,
      `it was called with ${seen.join(', ') || 'nothing'}`,
    )
  }),
  delegate(
    'input',
    'the IPAM plugin gets the whole configuration and the same variables',
    'required',
    async (bench) => {
      const options = delegating(bench, await fakeIpam(bench))
      await bench.attach('c1', { ...options, args: 'IgnoreUnknown=1;A=b' })
      const input = parseJson((await bench.kernel.probe(['cat', `${FAKE.log}-input-ADD`])).stdout)
      const wanted = { cniVersion: bench.version, ...bench.subject.config, ...options.change }
      demand(
        isDeepStrictEqual(input, wanted),
        `the configuration ${JSON.stringify(wanted)}`,
        `it got ${JSON.stringify(input)}`,
      )
      const env = (await bench.kernel.probe(['cat', `${FAKE.log}-env-ADD`])).stdout
      for (const line of [
        'CNI_CONTAINERID=c1',
        'CNI_NETNS=/run/netns/c1',
        'CNI_IFNAME=eth0',
        'CNI_ARGS=IgnoreUnknown=1;A=b',
      ])
        demand(
          env.includes(line),
          `${line} in its environment`,
          env
            .trim()
            .split('\n')
            .filter((one) => one.startsWith('CNI_'))
            .join(' '),
        )
    },
  ),
  delegate('result', "the IPAM plugin's addresses are those of the interface", 'required', async (bench) => {
    const { result } = await bench.attach('c1', delegating(bench, await fakeIpam(bench)))
    const address = ADDRESS.ips[0]?.address ?? ''
    const isGiven = result.ips.some((ip) => ip.address === address)
    demand(isGiven, `the address ${address} in the result`, JSON.stringify(result.ips))
  }),
  delegate('stderr', "the IPAM plugin's stderr comes out on the plugin's own", 'recommended', async (bench) => {
    const options = delegating(bench, await fakeIpam(bench))
    await bench.container('c1')
    const execution = await bench.call('ADD', options)
    demand(execution.stderr.includes('conformance on stderr'), 'its words on stderr', `stderr is "${execution.stderr}"`)
  }),
  delegate('fails', 'ADD fails when the IPAM plugin fails', 'required', async (bench) => {
    const options = delegating(bench, await fakeIpam(bench, ['ADD']))
    await bench.container('c1')
    fails(await bench.call('ADD', options), 'ADD when the IPAM plugin fails')
  }),
  delegate('fails-words', "it says what the IPAM plugin's error said", 'recommended', async (bench) => {
    const options = delegating(bench, await fakeIpam(bench, ['ADD']))
    await bench.container('c1')
    const { msg, details } = fails(await bench.call('ADD', options), 'ADD when the IPAM plugin fails')
    demand(`${msg} ${details}`.includes(FAILURE.msg), `an error that holds "${FAILURE.msg}"`, `it says "${msg}"`)
  }),
  delegate(
    'fails-clean',
    'after an ADD that failed because of its IPAM plugin, nothing is left',
    'required',
    async (bench) => {
      await bench.attach('warm')
      await bench.container('c1')
      const options = delegating(bench, await fakeIpam(bench, ['ADD']))
      const before = await bench.footprint()
      fails(await bench.call('ADD', options), 'ADD when the IPAM plugin fails')
      isSame(before, await bench.footprint(), 'nothing changed by the ADD that failed (- missing, + left)')
    },
  ),
  delegate('fails-del', 'when the IPAM plugin fails in ADD, it is called with DEL', 'recommended', async (bench) => {
    const options = delegating(bench, await fakeIpam(bench, ['ADD']))
    await bench.container('c1')
    fails(await bench.call('ADD', options), 'ADD when the IPAM plugin fails')
    const seen = await called(bench)
    demand(seen.includes('DEL'), 'the IPAM plugin to be called with DEL', `it was called only with ${seen.join(', ')}`)
  }),
  delegate('released', 'an address is released when ADD fails after it was given', 'required', async (bench) => {
    if (ipamTypeOf(bench.subject.config) !== 'host-local') throw new NotApplicable('the IPAM plugin is not host-local')
    await bench.attach('warm')
    await bench.container('c1')
    await bench.shell('ip -n c1 link add name eth0 type veth peer name other')
    const before = await bench.store()
    fails(await bench.call('ADD'), 'ADD of a name that is taken')
    isSame(before, await bench.store(), 'no address kept by the ADD that failed')
  }),
  delegate(
    'check-fails',
    'CHECK fails when that of the IPAM plugin fails',
    'recommended',
    async (bench) => {
      const options = delegating(bench, await fakeIpam(bench, ['CHECK']))
      await bench.attach('c1', options)
      fails(await bench.call('CHECK', options), 'CHECK when that of the IPAM plugin fails')
    },
    '0.4.0',
  ),
  delegate('missing', 'ADD fails when the IPAM plugin is not there, and leaves nothing', 'required', async (bench) => {
    // One that calls no IPAM plugin does not miss it.
    await bench.attach('warm', delegating(bench, await fakeIpam(bench)))
    if ((await called(bench)).length === 0) throw new NotApplicable('the plugin calls no IPAM plugin')
    await bench.container('c1')
    const before = await bench.footprint()
    const execution = await bench.call('ADD', { change: { ipam: { type: 'conformance-nowhere' } } })
    fails(execution, 'ADD without its IPAM plugin')
    isSame(before, await bench.footprint(), `nothing changed by it (- missing, + left); ${inWords(execution)}`)
  }),
  delegate('gc', 'GC is passed on to the IPAM plugin', 'required', (bench) => passesOn(bench, 'GC'), '1.1.0'),
  delegate(
    'status',
    'STATUS is passed on to the IPAM plugin',
    'required',
    (bench) => passesOn(bench, 'STATUS'),
    '1.1.0',
  ),
  delegate(
    'status-fails',
    'STATUS fails when that of the IPAM plugin fails',
    'required',
    async (bench) => {
      const options = delegating(bench, await fakeIpam(bench, ['STATUS']))
      fails(await bench.call('STATUS', options), 'STATUS when that of the IPAM plugin fails')
    },
    '1.1.0',
  ),
]
