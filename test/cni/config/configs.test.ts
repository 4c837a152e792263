import { expect, it } from 'vitest'
import { basename, join } from 'node:path'
import { readConfigs } from '../../../src/cni/config/configs.ts'
import { cli } from '../../helpers.ts'
import { folderWith, programsIn, seed, speaking } from './folder.ts'

const bins = programsIn({ bridge: speaking('1.0.0'), 'host-local': speaking('1.0.0') })
const list = (name: string, type = 'bridge') => ({ cniVersion: '1.0.0', name, plugins: [{ type }] })

it('explains the seed file, which every runtime takes', async () => {
  const folder = folderWith({ '10-bridge.conf': seed, 'README.md': 'no configuration' })
  const { stdout, code } = await cli(['cni', 'configs', '--conf-dir', folder, '--bin-dir', bins])
  expect(stdout).toContain('10-bridge.conf · network mynet · CNI 0.2.0')
  expect(stdout).toContain('addresses of 10.22.0.0/16 by host-local; routes to 0.0.0.0/0')
  expect(stdout).toContain('containerd: 10-bridge.conf')
  expect(stdout).toContain('by name (cnitool): mynet in 10-bridge.conf')
  expect(stdout).not.toContain('README')
  expect(code).toBe(0)
})

it('takes the file that each runtime does', () => {
  const folder = folderWith({
    '05-lacks.conflist': list('lacks', 'nowhere'),
    '10-one.conf': { ...seed, name: 'one' },
    '20-one.conflist': list('one'),
  })
  const { files, choices } = readConfigs(folder, [bins])
  expect(files.map(({ file }) => basename(file))).toEqual(['05-lacks.conflist', '10-one.conf', '20-one.conflist'])
  expect(files[0]?.missing).toEqual(['nowhere'])
  expect(choices.containerd.file).toBe(join(folder, '05-lacks.conflist'))
  expect(choices.crio.file).toBe(join(folder, '10-one.conf'))
  expect(choices.byName.map(({ name, file }) => [name, basename(file)])).toEqual([
    ['lacks', '05-lacks.conflist'],
    ['one', '20-one.conflist'], // lists come before single plugins
  ])
})

it('takes as many files for containerd as max_conf_num says, and says what a loopback in the first place means', () => {
  const lo = { cniVersion: '1.0.0', name: 'lo', type: 'loopback' }
  const folder = folderWith({ '05-lo.conf': lo, '10-one.conf': { ...seed, name: 'one' }, '20-bad.conf': '{' })
  const of = (maxConfNum?: number) => readConfigs(folder, [bins], maxConfNum).choices.containerd
  expect(of()).toEqual({ file: join(folder, '05-lo.conf'), why: expect.stringContaining('only loopback') })
  expect(of(2)).toMatchObject({ files: [join(folder, '05-lo.conf'), join(folder, '10-one.conf')] })
  expect(of(0)).toEqual({ why: expect.stringContaining('20-bad.conf, is broken') })
})

it('names a broken file: containerd refuses, CRI-O passes over it, a search by name ends there', () => {
  const folder = folderWith({
    '00-broken.conf': '{\n  "name": "x",\n}',
    '05-list.conf': list('misnamed'),
    '10-good.conflist': list('good'),
    '20-good.conf': seed,
  })
  const { files, choices } = readConfigs(folder, [bins])
  expect(files.map(({ wrong }) => wrong)).toEqual([
    'line 3, column 1: not JSON: there must be no comma before }',
    'it is a list of plugins, which must be named .conflist',
    undefined,
    undefined,
  ])
  expect(choices.containerd).toEqual({ why: expect.stringContaining('00-broken.conf') })
  expect(choices.crio.file).toBe(join(folder, '10-good.conflist'))
  expect(choices.byName).toEqual([{ name: 'good', file: join(folder, '10-good.conflist') }])
  expect(choices.stops).toBe(join(folder, '00-broken.conf'))
})

it('says that there are none, and reads the folder of NETCONFPATH', async () => {
  const folder = folderWith({})
  const { stdout, code } = await cli(['cni', 'configs'], '', undefined, { NETCONFPATH: folder })
  expect(stdout).toContain(`No configurations in ${folder}`)
  expect(code).toBe(0)
  const json = await cli(['cni', 'configs', '--json'], '', undefined, { NETCONFPATH: join(folder, 'none') })
  expect(JSON.parse(json.stdout)).toMatchObject({ schema: 'cnilab/cni-configs/v1', files: [] })
})
