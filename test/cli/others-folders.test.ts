// Folders that another user could have filled, or can change, are not trusted.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import pkg from '../../package.json' with { type: 'json' }
import { ALICE, as, cnilabAs, common, copy, EVE, makeCopy, makeFolderOf, noUsers } from '../users.ts'

const PLAN = ['netns', 'create', 'red', '--dry-run']

/** Runs a script as root of a machine: network, mounts, /run, /var/lib and /tmp of its own. `cnilab` is a function in it. */
function onMachine(
  script: string,
  env: Readonly<Record<string, string>> = {},
): { code: number | null; output: string } {
  const cnilab = `cnilab() { "${copy.node}" "${copy.program}" "$@"; }`
  // What the common folder holds is still to be seen below /mnt.
  const mounts = `mount --bind ${common} /mnt; for folder in /run /var/lib /tmp; do mount -t tmpfs -o mode=755 none $folder; done; chmod 1777 /tmp; mkdir /run/netns ${common}; mount --move /mnt ${common}`
  const text = `${mounts}; ${cnilab}; exec 2>&1; ${script}`
  return as(0, ['unshare', '-mn', '--propagation', 'private', 'sh', '-c', text], env)
}

describe.skipIf(noUsers !== undefined)('with other users about (needs root)', () => {
  beforeAll(makeCopy)

  describe('the compile cache', () => {
    const main = join(copy.folder, 'dist', 'src', 'main.cjs')
    const evidence = join(common, 'evidence')
    const made = join(common, 'made')

    /** Makes a cache that, by what it says of itself, is that of main.cjs, and is the code of another program. */
    beforeAll(() => {
      const source = readFileSync(main)
      const { atime, mtime } = statSync(main)
      const evil = `exports.main = async (started) => { require('node:fs').writeFileSync('${evidence}', String(process.getuid())); started('netns:create') } //`
      writeFileSync(main, evil.padEnd(source.length, '/'))
      utimesSync(main, atime, mtime)
      as(0, [copy.node, copy.program, ...PLAN], { XDG_CACHE_HOME: made })
      writeFileSync(main, source)
      utimesSync(main, atime, mtime)
      rmSync(evidence)
    })

    /** Lays that cache out in a folder, as the victim's; all of it belongs to `owner`. */
    function plant(home: string, owner: number): void {
      cpSync(made, home, { recursive: true })
      spawnSync('chown', ['-R', `${owner}:${owner}`, home])
      spawnSync('chmod', ['-R', 'a+rX', home])
    }

    it.each([
      [0, 'that eve made', (home: string) => plant(home, EVE)],
      [ALICE, 'that eve made', (home: string) => plant(home, EVE)],
      [65534, 'that eve made', (home: string) => plant(home, EVE)],
      [
        ALICE,
        'of her own in a folder of everybody',
        (home: string) => {
          plant(home, ALICE)
          chmodSync(home, 0o777)
        },
      ],
      [
        ALICE,
        'of her own with a folder of eve in it',
        (home: string) => {
          plant(home, ALICE)
          spawnSync('chown', ['-R', String(EVE), ...globSync(`${home}/cnilab/*/*`)])
        },
      ],
      [
        ALICE,
        'by a link of eve',
        (home: string) => {
          plant(`${home}-there`, ALICE)
          symlinkSync(`${home}-there`, home)
          spawnSync('chown', ['-h', String(EVE), home])
        },
      ],
      [0, 'of a user, as with sudo -E', (home: string) => plant(home, ALICE)],
    ])('user %i does not run what is in one %s', (uid, _whose, lay) => {
      const home = join(common, `cache-${Math.random()}`)
      lay(home)
      expect(cnilabAs(uid, PLAN, { XDG_CACHE_HOME: home })).toEqual({ code: 0, output: 'ip netns add red\n' })
      expect(existsSync(evidence)).toBe(false)
    })

    it('from a folder that is trusted it would be run', () => {
      const home = join(common, 'own-cache')
      plant(home, ALICE)
      cnilabAs(ALICE, PLAN, { XDG_CACHE_HOME: home })
      expect(readFileSync(evidence, 'utf8')).toBe(String(ALICE))
      rmSync(evidence)
    })

    it("is made in a user's own folder, for nobody else to see", () => {
      const home = makeFolderOf(ALICE, 'home')
      cnilabAs(ALICE, PLAN, { HOME: home })
      expect(readdirSync(join(home, '.cache', 'cnilab', pkg.version))).toHaveLength(1)
      expect(as(EVE, ['ls', join(home, '.cache')]).code).not.toBe(0)
    })
  })

  it('a plugin of oclif that a folder of data names is not run', () => {
    const XDG_DATA_HOME = makeFolderOf(EVE, 'data')
    const plugin = join(XDG_DATA_HOME, 'cnilab', 'node_modules', 'evil')
    mkdirSync(plugin, { recursive: true })
    writeFileSync(
      join(XDG_DATA_HOME, 'cnilab', 'package.json'),
      '{"name":"x","oclif":{"plugins":[{"name":"evil","type":"user"}]}}',
    )
    writeFileSync(
      join(plugin, 'package.json'),
      '{"name":"evil","version":"1.0.0","oclif":{"commands":"./commands","hooks":{"init":"./hook.js"}}}',
    )
    writeFileSync(
      join(plugin, 'hook.js'),
      `require('fs').writeFileSync('${common}/hooked', ''); module.exports = async () => {}`,
    )
    expect(cnilabAs(0, PLAN, { XDG_DATA_HOME })).toEqual({ code: 0, output: 'ip netns add red\n' })
    expect(existsSync(join(common, 'hooked'))).toBe(false)
  })

  it('sandboxes are not kept in a folder of XDG_RUNTIME_DIR that others can change, nor in such a /tmp', () => {
    makeFolderOf(EVE, 'runtime')
    const XDG_RUNTIME_DIR = makeFolderOf(0, 'runtime/root', 0o700)
    const script = `cnilab exec -- true; ls -d /tmp/cnilab-0; ls ${XDG_RUNTIME_DIR}; cnilab clean
      chmod 777 /tmp; cnilab sandbox list; echo $?`
    const { output } = onMachine(script, { XDG_RUNTIME_DIR })
    expect(output).toMatch(/^sandbox 'default' started.*\n\/tmp\/cnilab-0\n.*Removed sandbox 'default'\n/)
    expect(output).toMatch(/cannot be trusted: everybody may write to \/tmp\n.*\n3\n$/)
  })

  it.each([
    ['the folder of the journal is of another user', `mkdir -m 755 /run/cnilab; $plant; chown ${EVE} /run/cnilab`],
    ['everybody may write there', '$plant; chmod 777 /run/cnilab'],
    [
      'it is a link of another user',
      `mkdir /run/there; ln -s /run/there /run/cnilab; chown -h ${EVE} /run/cnilab; $plant`,
    ],
    ['the journal is of another user', `$plant; chown ${EVE} /run/cnilab/journal.jsonl`],
    ['everybody may write to /run', '$plant; chmod 777 /run'],
  ])('--host neither does nor undoes anything where %s', (_what, lay) => {
    const plant = `{ mkdir -p -m 755 /run/cnilab; echo '{"boot":"'$(cat /proc/sys/kernel/random/boot_id)'"}' >/run/cnilab/journal.jsonl
      echo '{"intent":"a","operation":{"kind":"bridge","params":{"name":"theirs"}},"before":{}}' >>/run/cnilab/journal.jsonl; }`
    const { output } = onMachine(`ip link add name theirs type bridge; ${lay.replace('$plant', plant)}
      cnilab clean --host; echo $?; cnilab netns create red --host; echo $?; cnilab lab run --auto --host; echo $?
      ip -br link show theirs | cut -d' ' -f1; ls /run/netns`)
    expect(output).toMatch(/^(Error: \/run\/cnilab\S* cannot be trusted: .*\n  what to do: .*\n(.*\n)?3\n){3}theirs\n$/)
  })

  it('the progress of a lab that another user could have written is neither read nor overwritten', () => {
    const XDG_STATE_HOME = makeFolderOf(EVE, 'state')
    const file = join(XDG_STATE_HOME, 'cnilab', 'labs', 'default.json')
    mkdirSync(join(file, '..'), { recursive: true })
    const now = '2026-01-01T00:00:00.000Z'
    const text = JSON.stringify({ version: 1, lab: '/tmp/evil.yaml', set: [], started: now, written: now, steps: {} })
    writeFileSync(file, text)
    spawnSync('chown', ['-R', String(EVE), XDG_STATE_HOME])
    const script = `cnilab lab status; echo $?; cnilab lab start eight-steps; echo $?; cnilab step --show netns | head -1; cnilab clean; echo $?`
    const { output } = onMachine(script, { XDG_STATE_HOME })
    expect(output.match(/cannot be trusted: .*belongs to user 4321/g)).toHaveLength(3)
    expect(output.match(/^\d$/gm)).toEqual(['3', '3', '0'])
    expect(readFileSync(file, 'utf8')).toBe(text)
  })

  it.each([
    ['is of another user', (store: string) => chownSync(store, EVE, EVE)],
    ['everybody may change', (store: string) => chmodSync(store, 0o777)],
    [
      'holds an index by a link of another user',
      (store: string) => {
        symlinkSync(join(common, 'file'), join(store, '.by-attachment'))
        spawnSync('chown', ['-h', String(EVE), join(store, '.by-attachment')])
      },
    ],
    [
      'holds a lock by a link of another user',
      (store: string) => {
        symlinkSync(join(common, 'file'), join(store, 'lock'))
        spawnSync('chown', ['-h', String(EVE), join(store, 'lock')])
      },
    ],
  ])('a store of addresses that %s is refused, with a CNI error', (_what, lay) => {
    const dataDir = makeFolderOf(0, `store-${Math.random()}`)
    const store = makeFolderOf(0, `${dataDir.slice(common.length + 1)}/n`)
    writeFileSync(join(common, 'file'), 'as it was')
    lay(store)
    const config = {
      cniVersion: '1.1.0',
      name: 'n',
      type: 'host-local',
      ipam: { type: 'host-local', subnet: '10.1.0.0/24', dataDir },
    }
    for (const command of ['ADD', 'DEL', 'STATUS']) {
      const { code, output } = as(
        0,
        ['sh', '-c', `echo '${JSON.stringify(config)}' | ${copy.folder}/dist/plugins/host-local`],
        {
          PATH: `${copy.folder}:/usr/sbin:/usr/bin:/sbin:/bin`,
          CNI_COMMAND: command,
          CNI_CONTAINERID: 'c',
          CNI_IFNAME: 'eth0',
          CNI_NETNS: '/nosuch',
          CNI_PATH: '/nosuch',
        },
      )
      expect({ command, code, output }).toMatchObject({
        code: 1,
        output: expect.stringMatching(/"code": 5,\n.*cannot be trusted/),
      })
    }
    expect(readFileSync(join(common, 'file'), 'utf8')).toBe('as it was')
  })

  it('results of ADD that another user could have written are refused', () => {
    const { output } = onMachine(`mkdir -p /var/lib/cni/results; chown ${EVE} /var/lib/cni/results; ip netns add red
      for verb in add check del gc; do cnilab cni $verb mynet $([ $verb = gc ] || echo red) --host; echo $?; done
      cnilab bridge del c red --host; echo $?; ls /var/lib/cni/results`)
    expect(output.match(/\/var\/lib\/cni\/results\S* cannot be trusted/g)).toHaveLength(5)
    expect(output.match(/^\d+$/gm)).toEqual(['3', '3', '3', '3', '3'])
  })

  it('plugins are neither installed nor asked where another user could exchange them', () => {
    const folder = makeFolderOf(EVE, 'bin')
    writeFileSync(join(folder, 'bridge'), `#!/bin/sh\necho evil >${common}/evidence\n`, { mode: 0o755 })
    for (const command of ['install', 'plugins'])
      expect(cnilabAs(0, ['cni', command, '--bin-dir', folder], {}).output).toContain(
        `${folder} belongs to user ${EVE}`,
      )
    expect(cnilabAs(0, ['cni', 'install', '--bin-dir', folder], {}).code).toBe(3)
    expect(readdirSync(folder)).toEqual(['bridge'])
    expect(existsSync(join(common, 'evidence'))).toBe(false)
  })
})
