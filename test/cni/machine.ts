import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, readFileSync, rmdirSync } from 'node:fs'
import type { Run } from '../helpers.ts'
import { pluginFolder } from './plugin-folder.ts'

const NAMESPACES = ['--mount', '--net', '--pid', '--ipc']

/** The least that it takes. */
const TRIAL = `mount -t tmpfs run /run && mkdir /run/changes /run/work &&
  mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/changes,workdir=/run/work /etc`

/** Why no such machine can be played here; undefined if one can. */
export const noMachine =
  process.getuid?.() !== 0
    ? 'needs root'
    : spawnSync('unshare', [...NAMESPACES, '--fork', '--mount-proc', 'sh', '-c', TRIAL]).status === 0
      ? undefined
      : 'namespaces or mounts are not allowed here'

/** All programs of a root file system in one, if it needs no libraries. */
const busybox = spawnSync('sh', ['-c', 'file=$(command -v busybox) && ! ldd $file >&2 && echo $file'], {
  encoding: 'utf8',
}).stdout.trim()

/** Why no root file system can be made here; undefined if one can. */
export const noBusybox = busybox === '' ? 'busybox-static is not installed' : undefined

/** Tools that a root file system is to have. */
const TOOLS = ['cut', 'grep', 'httpd', 'ip', 'ping', 'sh', 'timeout', 'true', 'wget']

/**
 * Plays a machine on which no container ever was: it has nothing of this one's network, and what it writes to the folders
 * of container runtimes is its own. 203.0.113.2 is the internet, without a route back to any container. A web server there
 * and in any container tells who asks.
 */
const START = `
set -e
plugins=$1 node=$2 busybox=$3
mount -t tmpfs run /run
for folder in etc opt var/lib; do
  mkdir -p /run/changes/$folder /run/work/$folder
  mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/changes/$folder,workdir=/run/work/$folder /$folder
done
for folder in /dev/shm /etc/cni /var/lib/cni /var/lib/containerd /var/lib/containers; do
  mkdir -p $folder
  mount -t tmpfs machine $folder
done
mkdir -p /opt/cni /opt/cnilab /etc/cni/net.d
mount --bind "$plugins" /opt/cni
touch /opt/cnilab/node
mount --bind "$node" /opt/cnilab/node
root=/run/root
mkdir -p $root/bin $root/proc $root/sys $root/dev $root/etc $root/tmp $root/www/cgi-bin
cp "$busybox" $root/bin/busybox
for tool in ${TOOLS.join(' ')}; do ln -s busybox $root/bin/$tool; done
printf '#!/bin/sh\\nprintf "\\\\r\\\\n$REMOTE_ADDR\\\\n"\\n' >$root/www/cgi-bin/who
chmod +x $root/www/cgi-bin/who
ip link set lo up
ip netns add internet
ip link add uplink type veth peer name eth0 netns internet
ip address add 203.0.113.1/24 dev uplink
ip link set uplink up
ip -n internet address add 203.0.113.2/24 dev eth0
ip -n internet link set eth0 up
nsenter --net=/run/netns/internet chroot $root /bin/httpd -p 0.0.0.0:80 -h /www
echo ready
cat
`

/**
 * Everything of which a container may leave something; but for the bridge, which stays, as the reference's does, and for
 * the cgroup in which podman has the watchers of its containers.
 */
const SNAPSHOT = `
ip -o link show | cut -d: -f2 | grep -vw cni0
ip -o netns list
nft list ruleset | grep -e cnilab -e '10[.]'
find /var/lib/cni -type f -size +0 ! -name 'last_reserved_ip.*'
cut -d' ' -f2 /proc/1/mounts | sort
processes=$(cat /proc/[0-9]*/comm)
echo "$processes" | sort
find /sys/fs/cgroup -path "*/$0/*" -type d ! -name conmon
`

/** A machine of this test's own. */
export interface Machine {
  /** A parent in all cgroup hierarchies for its containers: cgroups have no namespace that would end with the machine. */
  cgroup: string
  /** Starts a program on it, and returns what it left once it has ended. */
  run: (argv: readonly string[], input?: string) => Promise<Run>
  /** The same for a line of shell. */
  shell: (line: string) => Promise<Run>
  /** Where a file of it is seen from here. */
  file: (path: string) => string
  /** The links, rules, mounts, processes … on it, one a line. */
  snapshot: () => Promise<string[]>
}

/** Runs `use` with a machine of its own, and removes it with all that is in it, whatever happens. */
export async function withMachine(use: (machine: Machine) => Promise<void>): Promise<void> {
  const folder = await pluginFolder()
  const argv = ['--fork', '--kill-child', '--mount-proc', 'sh', '-c', START, 'machine']
  const holder = spawn('unshare', [...NAMESPACES, ...argv, folder, process.execPath, busybox])
  const cgroup = `cnilab-test-${holder.pid}`
  try {
    const failed = collect(holder).then(({ stderr }) => Promise.reject(new Error(`no machine: ${stderr}`)))
    await Promise.race([once(holder.stdout, 'data'), failed])
    failed.catch(() => undefined)
    const [init] = readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8').split(' ')
    const run = (command: readonly string[], input = '') => {
      const child = spawn('nsenter', [`--target=${init}`, ...NAMESPACES, '--', ...command], { timeout: 30_000 })
      child.stdin.on('error', () => undefined).end(input)
      return collect(child)
    }
    const snapshot = async () => (await run(['sh', '-c', SNAPSHOT, cgroup])).stdout.trimEnd().split('\n')
    await use({
      cgroup,
      run,
      shell: (line) => run(['sh', '-c', line]),
      file: (path) => `/proc/${init}/root${path}`,
      snapshot,
    })
  } finally {
    if (holder.exitCode === null) {
      holder.stdin.end()
      await once(holder, 'close')
    }
    for (const made of globSync(`/sys/fs/cgroup/{,*/}${cgroup}`)) removeCgroup(made)
  }
}

/** Only folders go: the files in a cgroup are the kernel's. */
function removeCgroup(folder: string): void {
  for (const child of globSync(`${folder}/*/`)) removeCgroup(child)
  if (existsSync(folder)) rmdirSync(folder)
}

function collect(child: ChildProcess): Promise<Run> {
  let [stdout, stderr] = ['', '']
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}
