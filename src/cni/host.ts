import { accessSync, closeSync, constants, openSync, readlinkSync, statSync } from 'node:fs'
import { type Host, MACHINE } from '../kernel/host.ts'
import { type Kernel, kernelOf } from '../kernel/kernel.ts'
import { inside } from '../kernel/inside.ts'
import type { Launch } from '../kernel/launcher.ts'
import { lockHost } from '../kernel/lock.ts'
import { netlinkKernel } from '../kernel/netlink/netlink-kernel.ts'
import { systemCalls } from '../kernel/netlink/system-calls.ts'
import { netnsAt } from '../kernel/netns-files.ts'
import { programReader } from '../kernel/program-reader.ts'
import { statOf } from '../kernel/read-file.ts'
import { spawnByFiles } from '../kernel/spawn.ts'
import { distrust } from '../kernel/trust.ts'
import { interfaceNameRule, netnsOf } from '../rules/names.ts'
import { CODE, CniError } from './protocol/error.ts'

/** The host where a plugin acts: the namespace in which it was started. It keeps no journal. */
const HERE: Host = MACHINE

/** The kernel as a plugin sees it: by netlink, or by programs where the C library cannot be called. */
export async function ownKernel(): Promise<Kernel> {
  const launch: Launch = (netns, argv, input) => spawnByFiles(inside(HERE, netns, argv), input)
  const programs = kernelOf(HERE, launch)
  const calls = await systemCalls()
  return calls ? netlinkKernel(calls, programs, programReader(HERE, launch)) : programs
}

/** The lock of the machine. */
export interface MachineLock {
  release: () => void
  /** Lets others have the lock while this waits for something else than the kernel, such as a server of addresses. */
  without: <T>(wait: () => Promise<T>) => Promise<T>
}

/**
 * Takes the lock of the machine, which cnilab also takes with `--host`. Throws CniError `io` if somebody else owns the
 * directory, and so could hold the lock for ever. (If this user cannot read it, in a rootless container engine, it takes
 * another lock.)
 */
export async function lockMachine(): Promise<MachineLock> {
  if (isReadable(HERE.folder)) requireTrusted(HERE.folder)
  let held: (() => void) | undefined = await lockHost()
  const release = () => {
    held?.()
    held = undefined
  }
  return {
    release,
    without: async (wait) => {
      release()
      try {
        return await wait()
      } finally {
        held = await lockHost()
      }
    },
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Throws CniError `io` if what is at a path may be somebody else's work. */
export function requireTrusted(path: string): void {
  const why = distrust(path)
  if (why !== undefined)
    throw new CniError(
      CODE.io,
      `${path} cannot be trusted: ${why}`,
      'it, and all folders above it, must belong to root or to the user who runs the plugin, and nobody else may write there',
    )
}

/**
 * The container's namespace, by its name if it has one, else by its path. Throws CniError `netns` if the path is not a
 * network namespace, or the host's own.
 */
export function containerNetns(path: string): string {
  if (!statOf(path))
    throw new CniError(
      CODE.netns,
      `there is no network namespace ${path}`,
      'the runtime creates it before it calls the plugin: ip netns add NAME creates /run/netns/NAME',
    )
  const file = netnsAt(HERE, path)
  const other = file ? otherNamespaceAt(path) : undefined
  if (!file || other !== undefined)
    throw new CniError(
      CODE.netns,
      other !== undefined
        ? `${path} is a namespace of another kind (${other}), not a network namespace`
        : statOf(path)?.isDirectory() === true
          ? `${path} is a folder, not a network namespace`
          : `${path} is a file, but no network namespace is mounted on it`,
      other === undefined && statOf(path)?.isDirectory() !== true
        ? 'its container has ended, or the machine has rebooted since: create the namespace again'
        : 'CNI_NETNS is the path of a file such as /run/netns/NAME or /proc/PID/ns/net',
    )
  if (file.inode === statSync('/proc/self/ns/net').ino)
    throw new CniError(CODE.netns, `${path} is the host's own network namespace`, "CNI_NETNS names the container's")
  return netnsOf(path)
}

/** What kind of namespace a path leads to, if not a network's. */
function otherNamespaceAt(path: string): string | undefined {
  const fd = openSync(path, 'r')
  try {
    const [, kind] = /^(\w+):\[/.exec(readlinkSync(`/proc/self/fd/${fd}`)) ?? []
    return kind === 'net' ? undefined : kind
  } finally {
    closeSync(fd)
  }
}

/** Like `containerNetns`, for DEL, which must succeed even if the namespace is gone: undefined then. */
export function containerNetnsIfThere(path: string): string | undefined {
  try {
    return containerNetns(path)
  } catch {
    return undefined
  }
}

/**
 * Throws CniError `environment` for a name of the container's interface that the kernel would accept, but that ip(8) would
 * misread.
 */
export function refuseMisread(ifname: string): void {
  const { problem } = interfaceNameRule(ifname)
  if (problem !== undefined) throw new CniError(CODE.environment, problem, 'it is the value of CNI_IFNAME')
}
