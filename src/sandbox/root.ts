import {
  chmodSync,
  copyFileSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { APP, GIVEN_FOLDER, HOST_FOLDER, JOURNAL } from '../kernel/host.ts'
import { UPLINK } from '../state/state.ts'

// What a sandbox's own root is made of: a list of what is in it. Nothing else of the machine is.

/** Directories of the machine with programs and what they need, if they exist: read-only inside. */
const SYSTEM = ['/usr', '/nix/store', '/opt/cni', '/etc/alternatives']

/** On most systems these are links into /usr; on others they are separate directories. */
const MERGED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

/** Devices that hold nothing of the machine. */
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

/** Files in /etc that programs read and that reveal nothing about the machine or its users; copies, which may be changed inside. */
const SETTINGS = [
  'ethertypes',
  'inputrc',
  'iproute2',
  'ld-musl-*.path',
  'ld.so.cache',
  'localtime',
  'protocols',
  'services',
  'terminfo',
]

/** Files of /etc that we write, with what is true inside. */
const WRITTEN = {
  group: 'root:x:0:\nnogroup:x:65534:\n',
  hosts: `127.0.0.1 localhost\n::1 localhost\n${UPLINK.gateway} internet.test\n`,
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\nethers: files\n',
  passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'resolv.conf': `nameserver ${UPLINK.gateway}\n`,
}

/** The user's keys, process 1's memory, and settings that are not per namespace: see `masks`. */
const KEYS = ['/proc/keys', '/proc/key-users']
/** The memory of process 1: a program that writes to it could make it do anything. */
const MEMORY = ['/proc/1/mem', '/proc/1/task/1/mem']
const GLOBAL_SETTINGS = ['/proc/sys/net/netfilter/nf_hooks_lwtunnel']

/** The parts of the program that run inside: nothing else of its clone or package is visible. */
const PROGRAM = ['dist', 'labs', 'package.json', 'oclif.manifest.json']

/** What `prepareRoot` needs to know. */
export interface RootPlan {
  /** The directory with the program's package.json. */
  program: string
  /** The sandbox's directory, in which everything is created. */
  folder: string
  /** The user and group that everything belongs to, if they are not this process's. */
  owner: number | undefined
  /** The holder's program. */
  holder: string
  /** The directories of the machine to bind, under the same paths inside. */
  binds: readonly string[]
}

/** The parts of a sandbox's directory: what to copy into the new root, where that is mounted, the list of mounts, and what is passed in. */
export const PARTS = {
  skeleton: 'skeleton',
  root: 'root',
  mounts: 'mounts',
  given: 'given',
}

/** Where the directories of `--bind` are in the new root before they are overlaid. */
const BOUND = '/opt/cnilab/bound'

/** The list of the mounts that come last, in the new root. */
export const MASKS = '/opt/cnilab/masks'
/** The program of process 1 (HOLD in scripts.ts), in the new root. */
export const HOLDER = '/opt/cnilab/holder'

/** Prepares a sandbox's directory: creates the files and directories of its root, and the lists of mounts. */
export function prepareRoot(plan: RootPlan): void {
  const umask = process.umask(0o022)
  try {
    prepare(plan)
  } finally {
    process.umask(umask)
  }
}

function prepare({ folder, owner, program, holder, binds }: RootPlan): void {
  const skeleton = join(folder, PARTS.skeleton)
  const at = (path: string) => join(skeleton, path)
  const make = (path: string, mode = 0o755) => {
    mkdirSync(at(path), { recursive: true })
    chmodSync(at(path), mode)
  }
  const touch = (path: string) => writeFileSync(at(path), '')
  for (const path of [
    '/dev/pts',
    '/etc',
    '/old',
    '/opt/cnilab',
    '/proc',
    '/root',
    '/run/netns',
    '/sys',
    '/var/lib',
    APP.bin,
  ])
    make(path)
  for (const path of ['/tmp', '/var/tmp', '/dev/shm']) make(path, 0o1777)
  make(HOST_FOLDER, 0o700)
  writeFileSync(at(join(HOST_FOLDER, JOURNAL)), '', { mode: 0o600 })

  const mounts: string[] = []
  const mount = (from: string, to: string, type = 'none', options = 'rbind') =>
    mounts.push(`${escaped(from)} ${escaped(join(folder, PARTS.root, to))} ${type} ${options}`)
  for (const path of MERGED) {
    const info = lstatSync(path, { throwIfNoEntry: false })
    if (info?.isSymbolicLink() === true) symlinkSync(readlinkSync(path), at(path))
    else if (info?.isDirectory() === true) {
      make(path)
      mount(path, path)
    }
  }
  for (const path of SYSTEM.filter((one) => existsSync(one))) {
    make(path)
    mount(path, path)
  }
  for (const device of DEVICES) {
    touch(`/dev/${device}`)
    mount(`/dev/${device}`, `/dev/${device}`, 'none', 'bind')
  }
  mount('devpts', '/dev/pts', 'devpts', 'ptmxmode=666,mode=620')
  for (const [name, to] of [
    ['ptmx', 'pts/ptmx'],
    ['fd', '/proc/self/fd'],
    ['stdin', 'fd/0'],
    ['stdout', 'fd/1'],
    ['stderr', 'fd/2'],
  ] as const)
    symlinkSync(to, at(`/dev/${name}`))
  // These must be there until there are fresh ones: user_namespaces(7), mount_namespaces(7).
  for (const path of ['/proc', '/sys']) mount(path, path)

  for (const name of settings()) copy(`/etc/${name}`, at(`/etc/${name}`))
  for (const [name, text] of Object.entries(WRITTEN)) writeFileSync(at(`/etc/${name}`), text)
  symlinkSync('/proc/self/mounts', at('/etc/mtab'))
  symlinkSync('/run', at('/var/run'))

  for (const part of PROGRAM.filter((one) => existsSync(join(program, one)))) {
    const isFolder = lstatSync(join(program, part)).isDirectory()
    if (isFolder) make(join(APP.package, part))
    else {
      make(APP.package)
      touch(join(APP.package, part))
    }
    mount(join(program, part), join(APP.package, part), 'none', 'bind')
  }
  touch(APP.node)
  mount(realpathSync(process.execPath), APP.node, 'none', 'bind')
  writeFileSync(at(join(APP.bin, 'cnilab')), `#!/bin/sh\nexec ${APP.node} ${APP.package}/dist/src/cnilab.js "$@"\n`, {
    mode: 0o755,
  })
  make(GIVEN_FOLDER)
  mount(join(folder, PARTS.given), GIVEN_FOLDER, 'none', 'bind')
  writeFileSync(at(HOLDER), holder)
  writeFileSync(at(MASKS), `${masks().join('\n')}\n`)

  // Through an overlay, a socket or a pipe is not the machine's, and leads nowhere.
  for (const [i, path] of binds.entries()) {
    const bound = join(BOUND, String(i))
    make(join(bound, 'folder'))
    make(join(bound, 'empty'))
    make(path)
    mount(path, join(bound, 'folder'))
    const lower = ['folder', 'empty'].map((part) => join(folder, PARTS.root, bound, part)).join(':')
    mount('overlay', path, 'overlay', `ro,nosuid,nodev,lowerdir=${lower}`)
  }
  writeFileSync(join(folder, PARTS.mounts), `${mounts.join('\n')}\n`)
  mkdirSync(join(folder, PARTS.root))
  mkdirSync(join(folder, PARTS.given), { mode: 0o755 })
  if (owner !== undefined) giveAway(skeleton, owner)
}

/** Copies directories, files and links. (Node's own `cpSync` ends the process if something fails.) */
function copy(from: string, to: string): void {
  const info = lstatSync(from)
  if (info.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (info.isFile()) copyFileSync(from, to)
  else if (info.isDirectory()) {
    mkdirSync(to)
    for (const name of readdirSync(from)) copy(join(from, name), join(to, name))
  }
}

/** The files of this machine's /etc to copy. */
function settings(): string[] {
  const patterns = SETTINGS.map((name) => new RegExp(`^${name.replaceAll('.', '\\.').replace('*', '.*')}$`))
  return readdirSync('/etc').filter((name) => patterns.some((pattern) => pattern.test(name)))
}

/**
 * The mounts that follow once the sandbox has its network and its processes, as lines of fstab(5): fresh /proc and /sys. They
 * hide the user's keys and the memory of process 1, and make read-only what would change the machine.
 */
function masks(): string[] {
  return [
    'cnilab /proc proc nosuid,nodev,noexec',
    'cnilab /sys sysfs nosuid,nodev,noexec',
    ...[...KEYS.filter((path) => existsSync(path)), ...MEMORY].map((path) => `/dev/null ${path} none bind`),
    ...GLOBAL_SETTINGS.filter((path) => existsSync(path)).map((path) => `${path} ${path} none bind,ro`),
  ]
}

/** A path in fstab(5) syntax. */
function escaped(path: string): string {
  return path.replaceAll(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

function giveAway(path: string, owner: number): void {
  lchownSync(path, owner, owner)
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) giveAway(join(path, name), owner)
}
