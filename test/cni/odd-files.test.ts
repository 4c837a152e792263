import { join } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readJob } from '../../src/cni/teacher/bridge-job.ts'
import { setupFor } from '../../src/cni/conformance/configs.ts'
import { CniError } from '../../src/cni/protocol/error.ts'
import { readConfigs } from '../../src/cni/config/configs.ts'
import { listPlugins } from '../../src/cni/programs/list.ts'
import { findRuntimes } from '../../src/cni/machine/runtimes.ts'
import { validate } from '../../src/cni/config/validate.ts'
import { findFiles } from '../../src/cni/install/ours.ts'
import { readResolvConf } from '../../src/cni/ipam/resolv-conf.ts'
import { discover, findNetwork } from '../../src/cni/config/discover.ts'
import { CnilabError } from '../../src/errors.ts'
import { folderWithOdd, makeOdd, ODD_FILES, UNREADABLE } from '../odd-files.ts'

const good = { cniVersion: '1.0.0', name: 'good', type: 'bridge', ipam: { type: 'host-local', subnet: '10.9.0.0/24' } }

const NO_FOLDERS = ODD_FILES.filter((kind) => kind !== 'folder' && kind !== 'broken link')

describe.each(NO_FOLDERS)('%s in the place of a folder', (kind) => {
  it('is refused as one of configurations', () => {
    const place = join(folderWithOdd(kind, 'net.d'), 'net.d')
    const refused = new RegExp(`^cannot read ${place}: it is (not a folder|a link that leads back to itself)$`)
    for (const read of [() => readConfigs(place, []), () => discover(place), () => findNetwork('good', place)]) {
      expect(read).toThrow(refused)
      expect(read).toThrow(expect.objectContaining({ kind: 'usage' }))
    }
  })

  it('has no plugins', async () => {
    const place = join(folderWithOdd(kind, 'bin'), 'bin')
    const file = join(folderWithOdd('empty', 'x.conf'), 'good.conf')
    writeFileSync(file, JSON.stringify(good))
    expect(await listPlugins([place])).toEqual([])
    expect((await validate(file, [place])).mistakes).toMatchObject([
      { severity: 'warning', what: 'did not check whether the plugins are installed' },
    ])
  })
})

describe.each(ODD_FILES)('%s in the place of a configuration', (kind) => {
  const isFolder = kind === 'folder'

  it('is a mistake that is told with its place, and the other files are read', async () => {
    const folder = folderWithOdd(kind, '10-odd.conf')
    writeFileSync(join(folder, '20-good.conf'), JSON.stringify(good))
    const { files, mistakes } = await validate(folder, [folder])
    expect(files).toHaveLength(isFolder ? 1 : 2) // runtimes pass over folders
    const told = { file: join(folder, '10-odd.conf'), severity: 'error', key: '' }
    expect(mistakes.filter(({ file }) => file === told.file)).toMatchObject(isFolder ? [] : [told])
    expect((await validate(told.file, [])).mistakes).toMatchObject(isFolder ? [] : [told])
    const { files: configs } = readConfigs(folder, [])
    expect(configs.map(({ wrong }) => wrong === undefined)).toEqual(isFolder ? [true] : [false, true])
    expect(discover(folder)).toMatchObject({ networks: [{ network: { name: 'good' } }] })
    // What is neither a file nor a link, libcni passes over.
    expect(discover(folder).bad).toHaveLength(['folder', 'pipe', 'socket'].includes(kind) ? 0 : 1)
    expect(findNetwork('good', folder).network.name).toBe('good')
  })

  it('is refused where it is named', () => {
    for (const name of ['odd.conf', 'odd.conflist']) {
      const file = join(folderWithOdd(kind, name), name)
      expect(() => readJob('web', 'red', file)).toThrow(CnilabError)
      expect(() => setupFor('bridge', file)).toThrow(CnilabError)
    }
  })

  it('and of the settings of kubelet, containerd and CRI-O, it is said that it cannot be read', () => {
    const root = folderWithOdd('folder', 'proc')
    const process = (pid: string, ...argv: string[]) => {
      mkdirSync(join(root, 'proc', pid, 'ns'), { recursive: true })
      writeFileSync(join(root, 'proc', pid, 'cmdline'), argv.map((word) => `${word}\0`).join(''))
    }
    process('7', '/usr/bin/kubelet', '--config=/etc/kubelet.yaml')
    process('8', '/usr/bin/containerd')
    process('9', '/usr/bin/crio')
    mkdirSync(join(root, 'etc', 'containerd', 'conf.d'), { recursive: true })
    mkdirSync(join(root, 'etc', 'crio', 'crio.conf.d'), { recursive: true })
    makeOdd(kind, join(root, 'etc', 'kubelet.yaml'))
    makeOdd(kind, join(root, 'etc', 'crio', 'crio.conf.d', '10-odd.conf'))
    makeOdd(kind, join(root, 'etc', 'containerd', 'conf.d', 'odd.toml'))
    writeFileSync(join(root, 'etc', 'containerd', 'config.toml'), "imports = ['/etc/containerd/conf.d/*.toml']")
    const runtimes = findRuntimes(root)
    expect(runtimes.map(({ program }) => program)).toEqual(['kubelet', 'containerd', 'CRI-O'])
    const isTold = UNREADABLE.includes(kind) && kind !== 'broken link'
    const told = runtimes.slice(1).map(({ notes }) => notes.join().includes('cannot read '))
    expect(isTold ? told : [true, true]).toEqual([true, true])
  })

  it('resolv.conf: an error of the plugin', () => {
    const file = join(folderWithOdd(kind, 'resolv.conf'), 'resolv.conf')
    const outcome = () => {
      try {
        return readResolvConf(file)
      } catch (error) {
        return error instanceof CniError ? 'refused' : error
      }
    }
    expect(outcome()).toEqual(UNREADABLE.includes(kind) ? 'refused' : {})
  })

  it("a plugin's name: it is somebody else's", () => {
    const folder = folderWithOdd(kind, 'bridge')
    expect(findFiles(folder, ['bridge'])).toMatchObject({ ours: [], foreign: ['bridge'] })
  })
})

it('a folder with more configurations than anybody has is refused', async () => {
  const folder = folderWithOdd('empty', '0.conf')
  for (let i = 1; i <= 100; i++) writeFileSync(join(folder, `${i}.conf`), '{}')
  await expect(validate(folder, [])).rejects.toThrow('has 101 configurations, but at most 100 are read')
  expect(() => findNetwork('x', folder)).toThrow('has 101 configurations')
})

it('what a hostile configuration costs is bounded', async () => {
  const subnets = (count: number) =>
    Array.from({ length: count }, (_, i) => [{ subnet: `10.${i >> 8}.${i & 255}.0/24` }])
  const bodies = {
    keys: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, 1])),
    ranges: { type: 'bridge', ipam: { type: 'host-local', ranges: subnets(7000) } },
    same: { type: 'bridge', ipam: { type: 'host-local', ranges: Array.from({ length: 7000 }, () => subnets(1)[0]) } },
    name: { type: 'x'.repeat(200_000) },
    plugins: { plugins: Array.from({ length: 10_000 }, () => ({ type: 'bridge' })) },
  }
  const folder = folderWithOdd('empty', '0.conf')
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(join(folder, `${name}.conf`), JSON.stringify({ cniVersion: '1.0.0', name, ...body }))
  const started = performance.now()
  const { mistakes } = await validate(folder, [folder])
  readConfigs(folder, [folder])
  expect(performance.now() - started).toBeLessThan(20_000)
  expect(mistakes.filter(({ what }) => /^there are \d+ more mistakes$/.test(what)).length).toBe(2)
})
