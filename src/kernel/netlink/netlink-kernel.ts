import { closeSync, writeFileSync } from 'node:fs'
import { type Command, HOST_PID } from '../../operations/operation.ts'
import { CnilabError } from '../../errors.ts'
import { codeOf } from '../code-of.ts'
import type { Host } from '../host.ts'
import type { Kernel } from '../kernel.ts'
import { namesInNetns } from '../netns-files.ts'
import { KernelError, type RunOptions } from '../run.ts'
import { type Reader, snapshot } from '../snapshot.ts'
import { readSysctlFiles, sysctlFile } from '../sysctl-files.ts'
import type { Calls } from './calls.ts'
import { inNetns, NoNetnsError, openNetns, type Sockets, socketsWith } from './netns.ts'
import { toNftMessages } from './nft-commands.ts'
import { readTables } from './nft-tables.ts'
import { toRouteMessage } from './route-commands.ts'
import { indexByName, netnsIdOf, readAll, readLinks, readVlans } from './route-state.ts'
import { type NetlinkSocket, PROTOCOL, type Refusal } from './socket.ts'

/**
 * The kernel of the host on which this process is, by netlink: changes are made by messages that do the same as the commands,
 * and the state is read without a program. A command that it does not understand is run as a program, by `programs`.
 */
export function netlinkKernel(calls: Calls, programs: Kernel, reader: Reader): Kernel {
  const sockets = socketsWith(calls)
  const { host } = programs
  return {
    ...programs,
    run: (commands, options) => run(sockets, commands, options, (rest) => programs.run(rest, options)),
    read: (scope) => snapshot(host, netlinkReader(sockets, host, reader), scope),
  }
}

/** Neighbouring rules of nftables in one namespace are one transaction; everything else goes one by one. */
async function run(
  sockets: Sockets,
  commands: readonly Command[],
  { signal, progress }: RunOptions = {},
  byProgram: (commands: readonly Command[]) => Promise<void>,
): Promise<void> {
  for (let done = 0; done < commands.length;) {
    signal?.throwIfAborted()
    const group = groupAt(commands, done)
    if (!change(sockets, group)) await byProgram(group)
    done += group.length
    progress?.(done, commands.length)
  }
}

function groupAt(commands: readonly Command[], at: number): readonly Command[] {
  const first = commands[at]
  if (first?.tool !== 'nft') return commands.slice(at, at + 1)
  const end = commands.findIndex((one, i) => i > at && (one.tool !== 'nft' || one.netns !== first.netns))
  return commands.slice(at, end < 0 ? undefined : end)
}

/** Makes a change; false if a command is not understood, before anything was done. Throws KernelError if the kernel refuses. */
function change(sockets: Sockets, group: readonly Command[]): boolean {
  const [first] = group
  if (!first) return true
  if (first.tool === 'sysctl') return changeSysctl(sockets, first)
  if (first.tool === 'nft') return changeRules(sockets, first.netns, group)
  return sockets.use(PROTOCOL.route, first.netns, (socket) => changeRoutes(socket, first))
}

function changeRoutes(socket: NetlinkSocket, command: Command): boolean {
  const opened: number[] = []
  try {
    const translation = toRouteMessage(command, {
      index: (ifname) => indexByName(socket, ifname),
      netns: (name) => {
        const fd = openNetns(name === HOST_PID ? undefined : name)
        opened.push(fd)
        return fd
      },
    })
    if (!translation) return false
    if ('refusal' in translation) throw new KernelError(translation.refusal, [command], command)
    const [answer] = socket.ask([translation.request])
    if (answer?.refusal) throw new KernelError(answer.refusal.words, [command], command)
    return true
  } finally {
    for (const fd of opened) closeSync(fd)
  }
}

function changeRules(sockets: Sockets, netns: string | undefined, group: readonly Command[]): boolean {
  const messages = toNftMessages(group)
  if (!messages) return false
  const answers = sockets.use(PROTOCOL.netfilter, netns, (socket) => socket.ask(messages))
  const refused = answers.map(({ refusal }) => refusal).find((refusal): refusal is Refusal => refusal !== undefined)
  if (refused) throw new KernelError(refused.words, group, group.length === 1 ? group[0] : undefined)
  return true
}

/** `sysctl -w key=value`: writes its file under /proc/sys, where each namespace sees its own. */
function changeSysctl({ calls }: Sockets, command: Command): boolean {
  const [option, assignment = '', more] = command.argv
  const [, key, value] = /^([\w./-]+)=(.*)$/.exec(assignment) ?? []
  if (option !== '-w' || key === undefined || value === undefined || more !== undefined) return false
  const file = sysctlFile(key)
  try {
    inNetns(calls, command.netns, () => writeFileSync(file, value))
  } catch (error) {
    if (error instanceof CnilabError) throw error
    const words =
      codeOf(error) === 'ENOENT'
        ? `cannot stat ${file}: No such file or directory`
        : `setting key "${key}": ${error instanceof Error ? error.message : String(error)}`
    throw new KernelError(words, [command], command)
  }
  return true
}

/** Reads by netlink. Rules that it does not understand are read by a program, through `programs`. */
function netlinkReader(sockets: Sockets, host: Host, programs: Reader): Reader {
  const { calls, use } = sockets
  const rules = (netns: string | undefined, tables: readonly string[] | undefined, withoutElements: boolean) =>
    use(PROTOCOL.netfilter, netns, (socket) => readTables(socket, tables, withoutElements))
  return {
    host: async () => use(PROTOCOL.route, undefined, readAll),
    links: async (names, withForwarding) =>
      use(PROTOCOL.route, undefined, (socket) => readLinks(socket, names, withForwarding)),
    namespaces: async (names) => names.map((name) => ifThere(() => use(PROTOCOL.route, name, readAll))),
    tables: async (tables, withoutElements) =>
      rules(undefined, tables, withoutElements) ?? programs.tables(tables, withoutElements),
    rules: async (netns) => ifThere(() => rules(netns, undefined, false)) ?? programs.rules(netns),
    sysctls: async (keys, netns) => ifThere(() => inNetns(calls, netns, () => readSysctlFiles(keys))) ?? {},
    vlans: async (netns) => ifThere(() => use(PROTOCOL.route, netns, readVlans)) ?? new Map(),
    netnsIds: async (netns) => {
      const { namespaces } = await namesInNetns(host)
      return ifThere(() => use(PROTOCOL.route, netns, (socket) => namesById(socket, [...namespaces.keys()])))
    },
  }
}

/** What is read of a namespace; undefined if it has vanished meanwhile. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof NoNetnsError) return undefined
    throw error
  }
}

/** The names of namespaces by the ids that a socket's namespace has for them. */
function namesById(socket: NetlinkSocket, names: readonly string[]): Map<number, string> {
  const found = new Map<number, string>()
  for (const name of names) {
    const fd = ifThere(() => openNetns(name))
    if (fd === undefined) continue
    const id = netnsIdOf(socket, fd)
    closeSync(fd)
    if (id !== undefined) found.set(id, name)
  }
  return found
}
