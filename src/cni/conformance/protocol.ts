import * as z from 'zod'
import { parseJson } from '../../state/json.ts'
import { CODE } from '../protocol/error.ts'
import type { CniCommand } from '../protocol/plugin-type.ts'
import { REQUIRED, SINCE } from '../protocol/request.ts'
import type { Bench, CallOptions } from './bench.ts'
import { type Check, SPEC } from './check.ts'
import { demand } from './verdict.ts'
import { fails, inWords, type Reported, succeeds } from './judge.ts'

const noAttachment = { cniVersion: '1.0.0', interfaces: [], ips: [] }

function missing(command: CniCommand): Check {
  const since = SINCE[command]
  return {
    id: `env.missing-${command.toLowerCase()}`,
    title: `${command} without ${list(REQUIRED[command])} fails with code 4 and names the variable`,
    level: 'required',
    spec: SPEC.error,
    ...(since === undefined ? {} : { since }),
    run: async (bench) => {
      await bench.container('c1')
      for (const name of REQUIRED[command]) {
        const prevResult = command === 'CHECK' ? { prevResult: noAttachment } : {}
        const execution = await bench.call(command, { without: [name], ...prevResult })
        const { msg, details } = fails(execution, `${command} without ${name}`, CODE.environment)
        demand(`${msg} ${details}`.includes(name), `an error that names ${name}`, `it said "${msg}"`)
      }
    },
  }
}

function list(names: readonly string[]): string {
  return names.length === 1 ? names.join() : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/** A check that an ADD with these options fails with this code. */
function refused(
  id: string,
  title: string,
  spec: string,
  code: number,
  calls: Readonly<Record<string, CallOptions>>,
  level: Check['level'] = 'required',
): Check {
  return {
    id,
    title: `${title} with code ${code}`,
    level,
    spec,
    run: async (bench) => {
      await bench.container('c1')
      for (const [what, options] of Object.entries(calls))
        fails(await bench.call('ADD', options), `ADD with ${what}`, code)
    },
  }
}

/** Provokes early failures, to judge the shape of errors. */
async function errors(bench: Bench): Promise<Reported[]> {
  await bench.container('c1')
  const ways: Record<string, CallOptions> = {
    'without CNI_IFNAME': { without: ['CNI_IFNAME'] },
    'with bad JSON': { input: '{' },
    'with cniVersion 99.0.0': { version: '99.0.0' },
    'with the name "-net"': { change: { name: '-net' } },
  }
  const found: Reported[] = []
  for (const [how, options] of Object.entries(ways)) found.push(fails(await bench.call('ADD', options), `ADD ${how}`))
  return found
}

const versionSchema = z.object({
  cniVersion: z.string(),
  supportedVersions: z.array(z.string().regex(/^\d+\.\d+\.\d+$/)).min(1),
})

/** Checks of how a plugin reads its input, and how it answers. */
export const protocol: readonly Check[] = [
  {
    id: 'version.answers',
    title: 'VERSION prints cniVersion and supportedVersions and nothing else',
    level: 'required',
    spec: SPEC.versionResult,
    run: async (bench) => {
      const execution = await bench.call('VERSION', { input: '{"cniVersion":"1.0.0"}' })
      succeeds(execution, 'VERSION')
      const { success } = versionSchema.safeParse(parseJson(execution.stdout))
      demand(success, 'one JSON object with cniVersion and supportedVersions', inWords(execution))
    },
  },
  {
    id: 'version.bare-environment',
    title: 'VERSION needs no other variable than CNI_COMMAND',
    level: 'required',
    spec: SPEC.version,
    run: async (bench) => {
      succeeds(await bench.call('VERSION', { without: ['CNI_PATH'], input: '{"cniVersion":"1.0.0"}' }), 'VERSION')
    },
  },
  {
    id: 'version.echo',
    title: 'VERSION answers with the cniVersion that it was given',
    level: 'recommended',
    spec: SPEC.versionResult,
    run: async (bench) => {
      for (const version of bench.subject.versions) {
        const execution = await bench.call('VERSION', { input: JSON.stringify({ cniVersion: version }) })
        const { data } = versionSchema.safeParse(parseJson(execution.stdout))
        demand(data?.cniVersion === version, `an answer with cniVersion ${version}`, inWords(execution))
      }
    },
  },
  {
    id: 'version.no-input',
    title: 'VERSION works without anything on standard input',
    level: 'recommended',
    spec: SPEC.version,
    run: async (bench) => succeeds(await bench.call('VERSION', { input: '' }), 'VERSION without input'),
  },
  missing('ADD'),
  missing('DEL'),
  missing('CHECK'),
  missing('GC'),
  {
    id: 'env.no-command',
    title: 'without CNI_COMMAND nothing is done: there is an error, or a message on stderr',
    level: 'recommended',
    spec: SPEC.parameters,
    run: async (bench) => {
      await bench.container('c1')
      const execution = await bench.call('ADD', { without: ['CNI_COMMAND'] })
      if (execution.code === 0)
        demand(execution.stdout.trim() === '', 'nothing on stdout without CNI_COMMAND', inWords(execution))
      else fails(execution, 'the call without CNI_COMMAND', CODE.environment)
    },
  },
  {
    id: 'env.unknown-command',
    title: 'an unknown CNI_COMMAND fails with code 4',
    level: 'required',
    spec: SPEC.error,
    run: async (bench) => {
      await bench.container('c1')
      for (const command of ['NONSENSE', 'add'])
        fails(await bench.call(command), `CNI_COMMAND=${command}`, CODE.environment)
    },
  },
  refused('env.container-id', 'a container id that breaks the grammar fails', SPEC.parameters, CODE.environment, {
    'the container id "-c1"': { id: '-c1', netns: '/run/netns/c1' },
    'the container id "c 1"': { id: 'c 1', netns: '/run/netns/c1' },
    'the container id "../c1"': { id: '../c1', netns: '/run/netns/c1' },
    'the container id "c1/é"': { id: 'c1/é', netns: '/run/netns/c1' },
  }),
  refused('env.ifname', 'an interface name that Linux refuses fails', SPEC.parameters, CODE.environment, {
    'an interface name of 16 bytes': { ifname: 'abcdefghijklmnop' },
    'the interface name "a/b"': { ifname: 'a/b' },
    'the interface name "a:b"': { ifname: 'a:b' },
    'the interface name "a b"': { ifname: 'a b' },
    'the interface name ".."': { ifname: '..' },
  }),
  {
    id: 'env.netns',
    title: 'ADD with a CNI_NETNS that does not exist, or is not a namespace, fails',
    level: 'required',
    spec: SPEC.parameters,
    kinds: ['interface', 'loopback'],
    run: async (bench) => {
      for (const netns of ['/run/netns/nowhere', '/etc/hostname'])
        fails(await bench.call('ADD', { netns }), `ADD with CNI_NETNS=${netns}`)
    },
  },
  {
    ...refused(
      'env.netns-code',
      'that error comes',
      SPEC.error,
      CODE.netns,
      { 'CNI_NETNS=/run/netns/nowhere': { netns: '/run/netns/nowhere' } },
      'recommended',
    ),
    kinds: ['interface', 'loopback'],
  },
  {
    id: 'env.args-ignored',
    title: 'unknown keys in CNI_ARGS do no harm with IgnoreUnknown=1',
    level: 'required',
    spec: SPEC.parameters,
    run: async (bench) => {
      await bench.attach('c1', { args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;ANYTHING=1' })
    },
  },
  {
    id: 'env.args-unknown',
    title: 'unknown keys in CNI_ARGS do no harm without IgnoreUnknown=1',
    level: 'recommended',
    spec: SPEC.parameters,
    run: async (bench) => {
      await bench.attach('c1', { args: 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web' })
    },
  },
  refused('config.empty', 'ADD without a configuration fails', SPEC.error, CODE.decode, {
    'nothing on standard input': { input: '' },
  }),
  refused('config.bad-json', 'a configuration that is not JSON fails', SPEC.error, CODE.decode, {
    'half an object': { input: '{"cniVersion":"1.0.0","name":' },
    'plain text': { input: 'name: conformance' },
  }),
  refused('config.no-name', 'a configuration without a name fails', SPEC.configuration, CODE.config, {
    'no name': { change: { name: undefined } },
  }),
  refused('config.bad-name', 'a name that breaks the grammar fails', SPEC.configuration, CODE.config, {
    'the name "-net"': { change: { name: '-net' } },
    'the name "../net"': { change: { name: '../net' } },
    'the name "a b"': { change: { name: 'a b' } },
  }),
  refused('config.unknown-version', 'a cniVersion that the plugin does not list fails', SPEC.versions, 1, {
    'cniVersion 99.0.0': { version: '99.0.0' },
  }),
  {
    id: 'config.unknown-keys',
    title: 'keys that the plugin does not know do no harm',
    level: 'required',
    spec: SPEC.configuration,
    run: async (bench) => {
      await bench.attach('c1', { change: { 'example.org/unknown': { a: [1] }, args: { labels: [] } } })
    },
  },
  {
    id: 'error.shape',
    title: 'an error is one JSON object on stdout with code and msg, and the exit status is not 0',
    level: 'required',
    spec: SPEC.error,
    run: async (bench) => {
      for (const { code, msg } of await errors(bench)) {
        demand(Number.isInteger(code) && code > 0, 'a code that is a whole number above 0', `it is ${code}`)
        demand(msg.trim() !== '', 'a msg', 'it is empty')
      }
    },
  },
  {
    id: 'error.version',
    title: 'an error carries the cniVersion of the configuration',
    level: 'recommended',
    spec: SPEC.error,
    run: async (bench) => {
      const netns = await bench.container('c1')
      const error = fails(await bench.call('ADD', { netns, without: ['CNI_IFNAME'] }), 'ADD without CNI_IFNAME')
      demand(typeof error.cniVersion === 'string', 'an error with cniVersion', `there is none: "${error.msg}"`)
      for (const version of bench.subject.versions) {
        const { cniVersion } = fails(
          await bench.call('ADD', { version, change: { name: '-net' } }),
          'ADD with a bad name',
        )
        demand(cniVersion === version, `an error with cniVersion ${version}`, `it has ${String(cniVersion)}`)
      }
    },
  },
  {
    id: 'error.details',
    title: 'errors are helpful: they have details',
    level: 'recommended',
    spec: SPEC.error,
    run: async (bench) => {
      for (const { msg, details } of await errors(bench))
        demand(details.trim() !== '', 'an error with details', `"${msg}" has none`)
    },
  },
]
