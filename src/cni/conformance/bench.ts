import * as z from 'zod'
import { parseJson } from '../../state/json.ts'
import type { Host } from '../../kernel/host.ts'
import type { Kernel } from '../../kernel/kernel.ts'
import { programLine } from '../../plan/command-line.ts'
import { describe } from '../../state/diff.ts'
import { INTERNET, UPLINK } from '../../state/state.ts'
import { callVariables, type Execution, execute } from '../protocol/execute.ts'
import { COMMANDS } from '../protocol/plugin-type.ts'
import { EMPTY, parseResult, type Result, toVersion } from '../protocol/result.ts'
import { atLeast, isVersion, type Version } from '../protocol/versions.ts'
import { type PluginKind, NotApplicable, Violation } from './verdict.ts'
import type { Config } from './configs.ts'
import { inWords } from './judge.ts'
import type { VisiblePlugin } from './subject.ts'

/** How a call differs from an ordinary one. */
export interface CallOptions {
  id?: string
  ifname?: string
  /** The path; '' leaves out CNI_NETNS. */
  netns?: string
  args?: string
  version?: string
  /** Keys to set in the configuration; undefined removes a key. */
  change?: Config
  /** Replaces the result of the preceding ADD; false for none. */
  prevResult?: unknown
  /** Variables to leave out. */
  without?: readonly string[]
  /** Variables to set. */
  variables?: Readonly<Record<string, string>>
  /** Text for standard input, instead of a configuration. */
  input?: string
  /** After how many milliseconds to send SIGKILL. */
  killAfter?: number
  /** Another executable: a delegate of the plugin. */
  file?: string
}

/** An attachment that an ADD made. */
export interface TestAttachment {
  id: string
  ifname: string
  /** The path of its namespace. */
  netns: string
  result: Result
}

/** The plugin under test. */
export interface Subject extends VisiblePlugin {
  type: string
  kind: PluginKind
  config: Config
  /** The versions that it says it supports, as far as we know them, oldest first. */
  versions: readonly Version[]
  /** The plugin's file as the user named it, for the commands in reports. */
  shown: string
}

/** The name prefix of the host's end of a cable that stands for the plugin before a chained one. */
export const PLUGGED = 'cnfveth'

/** After how many seconds to kill a plugin that hangs. */
export const TIME_LIMIT = 15

/** The host, on which programs and their children get SIGKILL after so many seconds. */
export function limited(host: Host, seconds = TIME_LIMIT): Host {
  return { ...host, enter: [...host.enter, 'timeout', '-s', 'KILL', String(seconds)] }
}

/** Whether a plugin did not end in time, and was killed. */
export function isHanging({ code, signal }: Execution): boolean {
  return signal === 'SIGKILL' || code === 137
}

/**
 * Removes everything that a plugin may have made. The uplink and the internet stay. It comes before each check, and so starts
 * few programs. What lost its other end has gone with it.
 */
const RESET = `cd /run/netns && for netns in *; do [ ! -e "$netns" ] || [ "$netns" = ${INTERNET} ] || ip netns delete "$netns"; done
cd /sys/class/net && for link in *; do [ ! -e "$link/ifindex" ] || [ "$link" = lo ] || [ "$link" = ${UPLINK.ifname} ] || ip link delete dev "$link" 2>/dev/null; done
! command -v nft >/dev/null || nft flush ruleset; rm -rf /var/lib/cni /tmp/conformance*; echo 0 >/proc/sys/net/ipv4/ip_forward`

/** The test bench of a check: an empty sandbox with the plugin in it. It records commands, so that they can be repeated. */
export class Bench {
  /** How many calls have not ended in time. */
  hung = 0
  readonly kernel: Kernel
  readonly subject: Subject
  /** The newest version that the plugin supports; checks use it unless they are about versions. */
  readonly version: Version
  /** Why no ADD can work here: this kernel lacks something, or the check of ADD itself failed. */
  hopeless: string | undefined
  /** The commands so far, as lines that can be pasted into a shell. */
  history: string[] = []
  readonly #previous = new Map<string, Result | undefined>()
  readonly #added = new Map<string, unknown>()

  constructor(kernel: Kernel, subject: Subject) {
    this.kernel = kernel
    this.subject = subject
    this.version = subject.versions.at(-1) ?? '1.0.0'
  }

  /** Empties the sandbox for the next check. */
  async reset(): Promise<void> {
    this.history = []
    this.#previous.clear()
    this.#added.clear()
    await this.kernel.probe(['sh', '-c', RESET])
  }

  get ifname(): string {
    return this.subject.kind === 'loopback' ? 'lo' : 'eth0'
  }

  /** Runs a shell line that prepares something, or tampers with it, and returns its output. Throws NotApplicable if it fails. */
  async shell(line: string): Promise<string> {
    this.history.push(line)
    const { code, stdout, stderr } = await this.kernel.probe(['sh', '-ec', line])
    if (code !== 0) throw new NotApplicable(`could not run this here: ${line}: ${stderr.trim()}`)
    return stdout
  }

  /** Creates a container's namespace, unless it exists, and for a chained plugin what the previous one would make. Returns its path. */
  async container(id: string): Promise<string> {
    const netns = `/run/netns/${id}`
    if (this.#previous.has(id)) return netns
    const n = this.#previous.size + 1
    this.#previous.set(id, undefined)
    await this.shell(`ip netns add ${id}`)
    if (this.subject.kind === 'chained') this.#previous.set(id, await this.#plugged(id, n))
    return netns
  }

  /** Creates a veth with an address, in place of the plugin before a chained one, and returns that plugin's result. */
  async #plugged(id: string, n: number): Promise<Result> {
    const [host, address] = [`${PLUGGED}${n}`, `10.98.0.${n + 1}/16`]
    await this.shell(
      `ip link add name ${host} type veth peer name eth0 netns ${id}; ip link set dev ${host} up; ip -n ${id} address add ${address} dev eth0; ip -n ${id} link set dev eth0 up`,
    )
    const mac = (await this.kernel.probe(['cat', '/sys/class/net/eth0/address'], id)).stdout.trim()
    const hostMac = (await this.kernel.probe(['cat', `/sys/class/net/${host}/address`])).stdout.trim()
    return {
      interfaces: [
        { name: host, mac: hostMac },
        { name: 'eth0', mac, sandbox: `/run/netns/${id}` },
      ],
      ips: [{ address, interface: 1 }],
      routes: [],
      dns: {},
    }
  }

  /** The previous plugin's result that a chained plugin gets for a container. */
  previous(id: string): Result {
    return this.#previous.get(id) ?? EMPTY
  }

  /**
   * Calls the plugin as a runtime does, except for the options. ADD of a chained plugin gets the previous plugin's result, DEL
   * and CHECK get the result of ADD. The container must exist.
   */
  async call(command: string, options: CallOptions = {}): Promise<Execution> {
    const { id = 'c1', ifname = this.ifname, args = '', without = [], killAfter } = options
    const known = COMMANDS.find((one) => one === command) ?? 'ADD'
    const isAttachment = known === 'ADD' || known === 'DEL' || known === 'CHECK'
    const { netns = `/run/netns/${id}` } = options
    const given = callVariables(known, {
      ...(isAttachment ? { containerId: id, netns, ifname, args } : {}),
      path: this.subject.path,
    })
    const all = { ...given, CNI_COMMAND: command, ...options.variables }
    const variables = Object.fromEntries(Object.entries(all).filter(([key]) => !without.includes(key)))
    const input = options.input ?? JSON.stringify(this.#config(known, id, ifname, options))
    const { file = this.subject.file } = options
    this.history.push(this.#line(variables, input, file === this.subject.file ? this.subject.shown : file, killAfter))
    const seconds = killAfter === undefined ? TIME_LIMIT : killAfter / 1000
    const execution = await execute(limited(this.kernel.host, seconds), file, variables, input)
    if (killAfter === undefined && isHanging(execution)) this.hung++
    const result = parseJson(execution.stdout)
    if (command === 'ADD' && execution.code === 0 && result !== undefined) this.#added.set(`${id} ${ifname}`, result)
    return execution
  }

  #config(command: string, id: string, ifname: string, options: CallOptions): Config {
    const { version = this.version, change = {} } = options
    const usual =
      command === 'ADD'
        ? this.#before(id, version)
        : command === 'DEL' || command === 'CHECK'
          ? this.#added.get(`${id} ${ifname}`)
          : undefined
    const isOld = command !== 'ADD' && isVersion(version) && !atLeast(version, '0.4.0')
    const { prevResult = isOld ? undefined : usual } = options
    return {
      cniVersion: version,
      ...withPortsFor(id, this.subject.config),
      ...(prevResult === undefined || prevResult === false ? {} : { prevResult }),
      ...change,
    }
  }

  #before(id: string, version: string): unknown {
    const previous = this.#previous.get(id)
    return previous === undefined ? undefined : toVersion(previous, isVersion(version) ? version : this.version)
  }

  #line(variables: Readonly<Record<string, string>>, input: string, file: string, killAfter?: number): string {
    const set = Object.entries(variables).map(([key, value]) => `${key}=${value}`)
    const limit = killAfter === undefined ? [] : ['timeout', '-s', 'KILL', String(killAfter / 1000)]
    return `${programLine({ argv: ['printf', '%s', input] })} | ${programLine({ argv: ['env', ...set, ...limit, file] })}`
  }

  /** Adds a container, which is created if necessary. Throws Violation if the plugin refuses, or prints no result. */
  async attach(id = 'c1', options: Omit<CallOptions, 'id'> = {}): Promise<TestAttachment> {
    if (this.hopeless !== undefined) throw new NotApplicable(this.hopeless)
    const netns = await this.container(id)
    const execution = await this.call('ADD', { ...options, id })
    const ifname = options.ifname ?? this.ifname
    const expected = 'ADD to succeed and to print a result'
    if (execution.code !== 0) throw new Violation(expected, inWords(execution))
    try {
      return { id, ifname, netns, result: parseResult(parseJson(execution.stdout)) }
    } catch {
      throw new Violation(expected, inWords(execution))
    }
  }

  /** Calls GC with these valid attachments. */
  gc(valid: readonly { containerID: string; ifname: string }[], options: CallOptions = {}): Promise<Execution> {
    const change = { 'cni.dev/valid-attachments': valid, 'cni.dev/attachments': valid, ...options.change }
    return this.call('GC', { ...options, change })
  }

  /** Everything in the kernel and in address stores, as lines to compare; without lo's address, which stays. */
  async footprint(): Promise<string[]> {
    const [state, store] = await Promise.all([this.kernel.read(), this.store()])
    return [...describe(state).filter((line) => !line.endsWith(': address lo 127.0.0.1/8 scope host')), ...store]
  }

  /** The files that record which addresses are taken (host-local's store, and others below /var/lib/cni). */
  async store(): Promise<string[]> {
    const find = [
      'find',
      '/var/lib/cni',
      '-type',
      'f',
      '!',
      '-name',
      'lock',
      '!',
      '-name',
      'last_reserved_ip*',
      '!',
      '-name',
      '.*',
    ]
    const { stdout } = await this.kernel.probe(find)
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .toSorted()
  }
}

const portsSchema = z.looseObject({
  runtimeConfig: z.looseObject({ portMappings: z.array(z.looseObject({ hostPort: z.number() })) }),
})

/** Gives each container different host ports, as no two can have the same one. */
function withPortsFor(id: string, config: Config): Config {
  const { data } = portsSchema.safeParse(config)
  if (!data) return config
  const by = Number(/\d+$/.exec(id)?.[0] ?? 0)
  const portMappings = data.runtimeConfig.portMappings.map((one) => ({ ...one, hostPort: one.hostPort + by }))
  return { ...config, runtimeConfig: { ...data.runtimeConfig, portMappings } }
}
