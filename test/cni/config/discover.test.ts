import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, it } from 'vitest'
import { discover, findNetwork } from '../../../src/cni/config/discover.ts'
import { runtime } from '../../helpers.ts'

/** A folder with these files, removed with the others of this test file. */
function folderWith(files: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(runtime, 'net.d-'))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

const list = (name: string, ...types: string[]) => ({
  cniVersion: '1.0.0',
  name,
  plugins: types.map((type) => ({ type })),
})
const typesOf = (name: string, folder: string) => findNetwork(name, folder).network.plugins.map(({ type }) => type)

it('lists come first, by the names of their files, and then single plugins', () => {
  const folder = folderWith({
    '00.conf': { name: 'c', type: 'single' },
    '10-b.conflist': list('b', 'x'),
    '05-a.conflist': list('a', 'x'),
    'z.json': { name: 'd', type: 'single' },
    'README.md': 'none',
    'sub.conflist/inner.conflist': list('inner', 'x'),
  })
  expect(discover(folder).networks.map(({ network }) => network.name)).toEqual(['a', 'b', 'c', 'd'])
  expect(discover(folder).bad).toEqual([])
})

it('of two networks with the same name the first wins, and the other is named', () => {
  const folder = folderWith({
    '1.conf': { name: 'net', type: 'single' },
    '2.conflist': list('net', 'first'),
    '3.conflist': list('net', 'second'),
  })
  expect(typesOf('net', folder)).toEqual(['first'])
  expect(findNetwork('net', folder).notices.join('\n')).toMatch(
    /3\.conflist also has a network net.*\n.*1\.conf also has/,
  )
})

it('a single plugin is wrapped as a list, and its text is one', () => {
  const folder = folderWith({ 'a.conf': { cniVersion: '0.4.0', name: 'one', type: 'bridge', mtu: 1400 } })
  const { network } = findNetwork('one', folder)
  expect(network).toMatchObject({ name: 'one', version: '0.4.0', plugins: [{ type: 'bridge', mtu: 1400 }] })
  expect(JSON.parse(network.text)).toMatchObject({ name: 'one', cniVersion: '0.4.0', plugins: [{ type: 'bridge' }] })
})

it('the plugins of the folder named like the network follow those of the list', () => {
  const folder = folderWith({
    'a.conflist': { cniVersion: '1.1.0', name: 'alone' },
    'alone/20.conf': { type: 'second' },
    'alone/10.conf': { type: 'first' },
    'alone/30.json': { type: 'not me' },
    'b.conflist': list('both', 'inline'),
    'both/10.conf': { type: 'more' },
    'c.conflist': { ...list('inlined', 'inline'), loadOnlyInlinedPlugins: true },
    'inlined/10.conf': { type: 'more' },
  })
  expect(typesOf('alone', folder)).toEqual(['first', 'second'])
  expect(typesOf('both', folder)).toEqual(['inline', 'more'])
  expect(typesOf('inlined', folder)).toEqual(['inline'])
  // What goes to the cache must do without the folder.
  expect(JSON.parse(findNetwork('both', folder).network.text)).toMatchObject({
    plugins: [{ type: 'inline' }, { type: 'more' }],
    loadOnlyInlinedPlugins: true,
  })
})

it('bad files are named with what is wrong, and skipped', () => {
  const folder = folderWith({
    '0.conflist': '{"name": "broken", ',
    '1.conflist': '',
    '2.conflist': { cniVersion: '1.0.0', name: 'no-plugins' },
    '3.conflist': { ...list('typeless'), plugins: [{ mtu: 1 }] },
    '4.conflist': list('-bad-name', 'x'),
    '5.conflist': { ...list('future', 'x'), cniVersion: '9.0.0' },
    '6.conflist': { cniVersion: '1.0.0', name: 'folder' },
    'folder/1.conf': '{}',
    '7.conf': list('a-list', 'x'),
    '8.conf': { type: 'nameless' },
    '9.conflist': list('good', 'x'),
  })
  expect(typesOf('good', folder)).toEqual(['x'])
  const bad = discover(folder).bad.map(({ file, why }) => `${file.slice(folder.length + 1)}: ${why}`)
  expect(bad).toHaveLength(9)
  const expected = [
    /^0.*JSON at position/,
    /^1.*it is empty/,
    /^2.*no "plugins".*folder no-plugins/,
    /^3.*"type" is missing/,
    /^4.*'-bad-name' is not a network name/,
    /^5.*9\.0\.0 is not among those that cnilab supports/,
    /^6.*folder\/1\.conf: "type" is missing/,
    /^7.*\.conflist/,
    /^8.*"name" is missing/,
  ]
  for (const [i, pattern] of expected.entries()) expect(bad[i]).toMatch(pattern)
  expect(findNetwork('good', folder).notices).toHaveLength(9)
})

it('the newest version that we speak is taken', () => {
  const version = (more: object) =>
    findNetwork('net', folderWith({ 'a.conflist': { name: 'net', plugins: [{ type: 'x' }], ...more } })).network.version
  expect(version({})).toBe('0.1.0')
  expect(version({ cniVersion: '0.4.0', cniVersions: ['0.3.1', '1.1.0', '7.0.0'] })).toBe('1.1.0')
  expect(version({ cniVersion: '1.0.0', cniVersions: ['0.4.0'] })).toBe('1.0.0')
})

it('libcni takes true and false as words, too', () => {
  const folder = folderWith({ 'a.conflist': { ...list('net', 'x'), disableCheck: 'True', disableGC: 'false' } })
  expect(findNetwork('net', folder).network).toMatchObject({ disableCheck: true, disableGC: false })
})

it('a network that there is not: names those that there are, the nearest, and bad files', () => {
  const folder = folderWith({ 'a.conflist': list('mynet', 'x'), 'b.conflist': list('other', 'x'), 'c.conflist': '' })
  let thrown: unknown
  try {
    findNetwork('mynte', folder)
  } catch (error) {
    thrown = error
  }
  expect(thrown).toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/mynet, other\n {2}skipped .*c\.conflist: it is empty/),
    fix: expect.stringContaining('did you mean mynet?'),
  })
  expect(() => findNetwork('mynet', join(folder, 'no-such-folder'))).toThrow(/there is none in/)
  expect(() => findNetwork('storage', folder)).toThrow(
    expect.objectContaining({ fix: 'write its configuration there, or name another folder with --conf-dir' }),
  )
})
