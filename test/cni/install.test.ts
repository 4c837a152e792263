import { spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { foreignLibraries } from '../../src/cni/install/compile.ts'
import { MARK, namesInFolder } from '../../src/cni/install/ours.ts'
import { types } from '../../src/cni/plugins/types.ts'
import { cli, eventually, onEmptyMachine, processesWith, program } from '../helpers.ts'

const project = join(import.meta.dirname, '..', '..')
const names = Object.keys(types).toSorted()
const scratch = mkdtempSync(join(tmpdir(), 'cnilab-install-test-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let folders = 0
const newFolder = () => join(scratch, `${++folders}`)
const install = (folder: string, ...more: string[]) => cli(['cni', 'install', '--bin-dir', folder, ...more])

/** What a program answers to VERSION with nothing else in its environment, and from a folder. */
function versionOf(file: string, from = '/') {
  const { status, stdout } = spawnSync(file, {
    cwd: from,
    env: { CNI_COMMAND: 'VERSION' },
    input: '',
    encoding: 'utf8',
  })
  return { status, answer: stdout === '' ? undefined : (JSON.parse(stdout) as unknown) }
}
const right = { status: 0, answer: expect.objectContaining({ supportedVersions: expect.arrayContaining(['1.1.0']) }) }

/** All that is in a folder, with what tells one file from another. */
const contents = (folder: string) =>
  readdirSync(folder)
    .toSorted()
    .map((name) => [name, statSync(join(folder, name)).ino, statSync(join(folder, name)).mtimeMs])

const hasBun = existsSync(join(project, 'node_modules', 'bun', 'bin', 'bun.exe'))

describe.skipIf(!hasBun)('with Bun (the development dependency bun)', () => {
  /** One installation for the tests that change nothing. */
  const bin = join(scratch, 'deep', 'cni', 'bin')
  let said: Awaited<ReturnType<typeof cli>>

  beforeAll(async () => {
    said = await install(bin)
  })

  it('installs one executable by the name of each type, in a folder that it makes, and says what to do next', () => {
    expect(said.code, said.stderr).toBe(0)
    expect(said.stdout).toContain(`cnilab cni plugins --bin-dir ${bin}`)
    expect(readdirSync(bin).toSorted()).toEqual(names)
    const files = names.map((name) => statSync(join(bin, name)))
    expect(new Set(files.map(({ ino }) => ino)).size).toBe(1)
    expect(files[0]?.nlink).toBe(names.length)
    expect((files[0]?.mode ?? 0) & 0o777).toBe(0o755)
  })

  it.each(names)('%s answers with an empty environment, from /', (name) => {
    expect(versionOf(join(bin, name))).toEqual(right)
  })

  it('works where the project is gone, and the folder has been moved', () => {
    const moved = join(scratch, 'moved')
    renameSync(bin, moved)
    const hide = `mount -t tmpfs none "${project}"; cd /; [ ! -e "${program}" ] || exit 9`
    const tell = names.map((name) => `env -i CNI_COMMAND=VERSION "${moved}/${name}" </dev/null || exit 1`).join('; ')
    const { status, stdout } = onEmptyMachine(`${hide}; ${tell}`)
    renameSync(moved, bin)
    expect(status).toBe(0)
    expect(stdout.match(/supportedVersions/g)).toHaveLength(names.length)
  })

  it('reads nothing that lies about in the folder from which it is started', () => {
    const folder = newFolder()
    mkdirSync(folder)
    writeFileSync(join(folder, '.env'), 'CNI_COMMAND=NONSENSE\n')
    writeFileSync(join(folder, 'bunfig.toml'), 'preload = ["./none.ts"]\n')
    expect(versionOf(join(bin, 'bridge'), folder)).toEqual(right)
    const { stderr } = spawnSync(join(bin, 'bridge'), { cwd: folder, env: {}, encoding: 'utf8' })
    expect(stderr).toContain('CNI plugin "bridge"')
  })

  it('needs no library but the C library, and would tell', async () => {
    expect(await foreignLibraries(join(bin, 'bridge'))).toEqual([])
    const { stdout } = spawnSync('ldd', [process.execPath], { encoding: 'utf8' })
    const told = await foreignLibraries(process.execPath)
    expect(told.some((line) => line.startsWith('libstdc++'))).toBe(stdout.includes('libstdc++'))
  })

  it('ADD and DEL with an empty PATH; of its own IPAM plugin no process is started', () => {
    const config = {
      cniVersion: '1.1.0',
      name: 'net',
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipam: { type: 'host-local', subnet: '10.22.0.0/16', dataDir: '/run/store' },
    }
    // CNI_PATH has the same files where no program can be run.
    const call = (command: string) =>
      `env -i CNI_COMMAND=${command} CNI_CONTAINERID=one CNI_IFNAME=eth0 CNI_NETNS=/run/netns/red CNI_PATH=/run/noexec "${bin}/bridge" </run/config`
    const { status, stdout } = onEmptyMachine(
      `set -e; cat >/run/config; mkdir /run/noexec; mount --bind "${bin}" /run/noexec; mount -o remount,bind,noexec /run/noexec
      ! /run/noexec/host-local 2>/dev/null || exit 9
      ip netns add red; ${call('ADD')}; ip -n red -br addr show dev eth0; ${call('DEL')}; ip -n red link show dev eth0 2>&1 || echo gone`,
      JSON.stringify(config),
    )
    expect(stdout).toContain('"address": "10.22.0.2/16"')
    expect(stdout).toMatch(/^eth0@\S+ +UP +10\.22\.0\.2\/16/m)
    expect(stdout.trimEnd()).toMatch(/gone$/)
    expect(status).toBe(0)
  })

  describe('where others have installed theirs', () => {
    let folder: string

    beforeEach(() => {
      folder = newFolder()
      mkdirSync(folder)
      // If it were started that would be seen: a file more in the folder.
      writeFileSync(join(folder, 'bridge'), `#!/bin/sh\ntouch "${folder}/started"\n`, { mode: 0o755 })
      symlinkSync(join(bin, 'static'), join(folder, 'static'))
      writeFileSync(join(folder, 'calico'), 'calico', { mode: 0o755 })
    })

    it('changes nothing at all, and names them all', async () => {
      const before = contents(folder)
      const { code, stderr } = await install(folder)
      expect(code).toBe(1)
      expect(stderr).toContain('bridge, static')
      expect(stderr).toContain('--force')
      expect(contents(folder)).toEqual(before)
    })

    it('replaces with --force those of its names, and takes back just its own', async () => {
      const { code, stdout } = await install(folder, '--force', '--json')
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ schema: 'cnilab/cni-install/v1', replaced: ['bridge', 'static'] })
      expect(versionOf(join(folder, 'bridge'))).toEqual(right)
      expect(existsSync(join(bin, 'static'))).toBe(true)
      rmSync(join(folder, 'static'))
      writeFileSync(join(folder, 'static'), 'theirs')
      const back = await install(folder, '--uninstall')
      expect(back).toMatchObject({ code: 0, stdout: expect.stringContaining("somebody else's: static") })
      expect(readdirSync(folder).toSorted()).toEqual(['calico', 'static'])
      expect(readFileSync(join(folder, 'static'), 'utf8')).toBe('theirs')
    })

    it('replaces no folder, even with --force', async () => {
      mkdirSync(join(folder, 'loopback'))
      const before = contents(folder)
      const { code, stderr } = await install(folder, '--force')
      expect(stderr).toContain('folders with the names of plugins: loopback')
      expect(code).toBe(1)
      expect(contents(folder)).toEqual(before)
    })
  })

  it('installs over its own; whoever calls meanwhile gets an answer', async () => {
    const folder = newFolder()
    await install(folder)
    // Held open: else the kernel may give the number of the removed file to the next.
    const before = openSync(join(folder, 'bridge'), 'r')
    const loop = `while [ ! -e "${folder}.end" ]; do CNI_COMMAND=VERSION "${folder}/bridge" </dev/null >/dev/null || echo failed; done`
    const calls = shell(loop)
    for (let i = 0; i < 2; i++) expect(await install(folder)).toMatchObject({ code: 0 })
    writeFileSync(`${folder}.end`, '')
    expect(await calls).toBe('')
    expect(statSync(join(folder, 'bridge')).ino).not.toBe(fstatSync(before).ino)
    closeSync(before)
    expect(readdirSync(folder).toSorted()).toEqual(names)
  })

  const isUnfinished = (name: string) => name.startsWith('.cnilab-install-')
  /** The moments of an installation, by what is in the folder: names, and names in the unfinished folder. */
  const moments: readonly (readonly [string, (there: string[], unfinished: string[]) => boolean])[] = [
    ['begins', (there) => there.some(isUnfinished)],
    ['compiles', (_, unfinished) => unfinished.some((name) => !names.includes(name))],
    ['proves', (_, unfinished) => unfinished.includes('bridge')],
    ['puts into place', (there) => there.some((name) => names.includes(name))],
  ]

  /** Installs, and sends a signal as soon as something is seen in the folder. */
  async function installUntil(folder: string, signal: NodeJS.Signals, isSeen: (typeof moments)[number][1]) {
    let timer: NodeJS.Timeout | undefined
    const run = await cli(['cni', 'install', '--bin-dir', folder], '', (kill) => {
      timer = setInterval(() => {
        const there = readdirSync(folder)
        if (
          isSeen(
            there,
            there.filter(isUnfinished).flatMap((name) => namesInFolder(join(folder, name))),
          )
        )
          kill(signal)
      }, 1)
    })
    clearInterval(timer)
    return run
  }

  it.each(moments)('killed when it %s it leaves no part of a file under a name', async (_, isSeen) => {
    const folder = newFolder()
    mkdirSync(folder)
    await installUntil(folder, 'SIGKILL', isSeen) // the last moment may be over by then
    // The compiler that it had begun goes on to its end.
    expect(await eventually(() => processesWith(folder).length === 0)).toBe(true)
    for (const name of readdirSync(folder).filter((one) => names.includes(one)))
      expect(versionOf(join(folder, name)), name).toEqual(right)
    expect(await install(folder)).toMatchObject({ code: 0 })
    expect(readdirSync(folder).toSorted()).toEqual(names)
  })

  it('interrupted, it removes what it began', async () => {
    const folder = newFolder()
    mkdirSync(folder)
    expect(await installUntil(folder, 'SIGINT', moments[1]?.[1] ?? (() => true))).toMatchObject({ code: 130 })
    expect(readdirSync(folder)).toEqual([])
  })

  it('says why where it may not write, and where the file system is read-only or lets no program run', () => {
    const folder = newFolder()
    mkdirSync(folder)
    chmodSync(folder, 0o555)
    const command = `"${process.execPath}" "${program}" cni install --bin-dir "${folder}" 2>&1`
    const run = (...argv: string[]) => spawnSync('unshare', argv, { encoding: 'utf8' })
    const mounted = (options: string) =>
      run(
        '-Urm',
        'sh',
        '-c',
        `mount --bind "${folder}" "${folder}"; mount -o remount,bind,${options} "${folder}"; ${command}`,
      )
    // Without root's capabilities.
    const denied = run('--user', '--map-user=1000', 'sh', '-c', command)
    expect(denied).toMatchObject({ status: 3, stdout: expect.stringContaining('sudo cnilab cni install') })
    expect(mounted('ro')).toMatchObject({ status: 3, stdout: expect.stringContaining('read-only') })
    expect(mounted('noexec')).toMatchObject({ status: 3, stdout: expect.stringContaining('noexec') })
    expect(readdirSync(folder)).toEqual([])
  })
})

it('says how to get Bun where there is none, and what it says where it is no good', () => {
  const app = join(scratch, 'app')
  const folder = newFolder()
  mkdirSync(app)
  for (const part of ['dist', 'labs', 'package.json', 'oclif.manifest.json'])
    cpSync(join(project, part), join(app, part), { recursive: true })
  const run = () => {
    const argv = ['-Urm', 'sh', '-c', '"$@"', 'sh', process.execPath, join(app, 'dist/src/cnilab.js')]
    const env = { ...process.env, PATH: `${app}/bin:/usr/sbin:/usr/bin:/sbin:/bin` }
    return spawnSync('unshare', [...argv, 'cni', 'install', '--bin-dir', folder], { env, encoding: 'utf8' })
  }
  expect(run()).toMatchObject({ status: 3, stderr: expect.stringContaining('npm install --global bun') })
  mkdirSync(join(app, 'bin'))
  writeFileSync(join(app, 'bin', 'bun'), '#!/bin/sh\necho "error: too old" >&2; exit 1\n', { mode: 0o755 })
  expect(run()).toMatchObject({ status: 3, stderr: expect.stringContaining('compile the plugins: error: too old') })
  // What it makes does not answer.
  writeFileSync(join(app, 'bin', 'bun'), `#!/bin/sh\nfor f; do :; done; printf '#!/bin/sh\\nexit 7' >"$f"\n`)
  expect(run()).toMatchObject({ status: 3, stderr: expect.stringContaining('would not be self-contained') })
  expect(readdirSync(folder)).toEqual([])
})

it('--uninstall is content where there is nothing, and reads what is there without starting it', async () => {
  const none = await install(newFolder(), '--uninstall', '--json')
  expect(JSON.parse(none.stdout)).toMatchObject({ schema: 'cnilab/cni-uninstall/v1', removed: [], left: [] })
  const folder = newFolder()
  mkdirSync(folder)
  writeFileSync(join(folder, 'bridge'), `#!/bin/sh\ntouch "${folder}/started"\n`, { mode: 0o755 })
  writeFileSync(join(folder, 'older'), `a compiled program /*! ${MARK} */`)
  expect(await install(folder, '--uninstall')).toMatchObject({ code: 0, stdout: expect.stringContaining(': older') })
  expect(readdirSync(folder)).toEqual(['bridge'])
})

it('refuses wrong words, what is no folder, and to act from inside a sandbox', async () => {
  expect(await install('')).toMatchObject({ code: 2 })
  expect(await install(scratch, '--force', '--uninstall')).toMatchObject({ code: 2 })
  expect(await install(program)).toMatchObject({ code: 2, stderr: expect.stringContaining('is not a folder') })
  const inside = await cli(['exec', '--', 'cnilab', 'cni', 'install'])
  expect(inside).toMatchObject({ code: 2, stderr: expect.stringContaining('inside the sandbox') })
})

/** What a line of shell prints. */
function shell(line: string): Promise<string> {
  const child = spawn('sh', ['-c', line])
  let printed = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
  return new Promise((resolve) => child.on('close', () => resolve(printed)))
}
