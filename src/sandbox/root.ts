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

// What a sandbox's own root is made of. It is a list of what is in it; whatever else the machine has is not.

/** Folders of the machine that hold programs and what they need, where they exist: read-only inside. */
const SYSTEM = ['/usr', '/nix/store', '/opt/cni', '/etc/alternatives']

/** Of these, most systems make links into /usr; on others they are folders of their own. */
const MERGED = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']

/** Devices that belong to nobody. */
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

/** What programs read in /etc and what tells nothing of the machine or its users; inside it may be changed. */
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

/** Files of /etc with what is true inside. */
const WRITTEN = {
  group: 'root:x:0:\nnogroup:x:65534:\n',
  hosts: `127.0.0.1 localhost\n::1 localhost\n${UPLINK.gateway} internet.test\n`,
  'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\nethers: files\n',
  passwd: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'resolv.conf': `nameserver ${UPLINK.gateway}\n`,
}

/** What is in the kernel's log of keys, and settings that are not kept per namespace: see `masks`. */
const KEYS = ['/proc/keys', '/proc/key-users']
/** The memory of process 1: whoever writes there has it do anything. */
const MEMORY = ['/proc/1/mem', '/proc/1/task/1/mem']
const GLOBAL_SETTINGS = ['/proc/sys/net/netfilter/nf_hooks_lwtunnel']

/** The parts of the program that run inside: of the clone or the package that it lies in, nothing else is to be seen. */
const PROGRAM = ['dist', 'labs', 'package.json', 'oclif.manifest.json']

/** What a root is made for. */
export interface RootPlan {
  /** The folder with the program's package.json. */
  program: string
  /** The sandbox's folder, in which everything is made. */
  folder: string
  /** The user and group that everything belongs to, if it is not this process's. */
  owner: number | undefined
  /** The holder's program. */
  holder: string
  /** Folders of the machine to be bound, as they are named inside, too. */
  binds: readonly string[]
}

/** The parts of a sandbox's folder: what is to be copied into the new root, where that is mounted, and the lists of mounts. */
export const PARTS = {
  skeleton: 'skeleton',
  root: 'root',
  mounts: 'mounts',
  given: 'given',
}

/** Where the folders of `--bind` are before they are overlaid, in the new root. */
const BOUND = '/opt/cnilab/bound'

/** The list of the mounts that are made last, and the holder's program: both lie in the new root. */
export const MASKS = '/opt/cnilab/masks'
export const HOLDER = '/opt/cnilab/holder'

/** Prepares a sandbox's folder: makes the files and folders of its root, and the lists of what is mounted there. */
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
  // Until there are fresh ones, these have to be there: user_namespaces(7), mount_namespaces(7).
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

  // Seen through an overlay, a socket or a pipe is another one than the machine's, and leads nowhere.
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

/** Copies folders, files and links. (Where something fails, Node's own `cpSync` ends the process.) */
function copy(from: string, to: string): void {
  const info = lstatSync(from)
  if (info.isSymbolicLink()) symlinkSync(readlinkSync(from), to)
  else if (info.isFile()) copyFileSync(from, to)
  else if (info.isDirectory()) {
    mkdirSync(to)
    for (const name of readdirSync(from)) copy(join(from, name), join(to, name))
  }
}

/** The settings of this machine that are copied. */
function settings(): string[] {
  const patterns = SETTINGS.map((name) => new RegExp(`^${name.replaceAll('.', '\\.').replace('*', '.*')}$`))
  return readdirSync('/etc').filter((name) => patterns.some((pattern) => pattern.test(name)))
}

/**
 * The mounts that are made once the sandbox has its network and its processes, as lines of fstab(5): fresh /proc and /sys,
 * the keys of the user and the memory of process 1 hidden, and what would change the machine read-only.
 */
function masks(): string[] {
  return [
    'cnilab /proc proc nosuid,nodev,noexec',
    'cnilab /sys sysfs nosuid,nodev,noexec',
    ...[...KEYS.filter((path) => existsSync(path)), ...MEMORY].map((path) => `/dev/null ${path} none bind`),
    ...GLOBAL_SETTINGS.filter((path) => existsSync(path)).map((path) => `${path} ${path} none bind,ro`),
  ]
}

/** A path in the form of fstab(5). */
function escaped(path: string): string {
  return path.replaceAll(/[\s\\#]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`)
}

function giveAway(path: string, owner: number): void {
  lchownSync(path, owner, owner)
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) giveAway(join(path, name), owner)
}
