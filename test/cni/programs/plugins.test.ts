import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { listPlugins } from '../../../src/cni/programs/list.ts'
import { cli, processesWith } from '../../helpers.ts'
import { folderWith, programsIn, speaking } from '../config/folder.ts'

const reference = '/usr/lib/cni'

it('asks each for its versions and its maker; the first of one name is the one that is called', async () => {
  const first = programsIn({ it: speaking('0.4.0', '1.0.0') })
  const second = programsIn({ it: speaking('1.0.0'), that: speaking('1.1.0') })
  const found = await listPlugins([first, join(first, 'none'), second])
  expect(found.map(({ type, file, speaks, hiddenBy }) => [type, file, speaks, hiddenBy])).toEqual([
    ['it', join(first, 'it'), ['0.4.0', '1.0.0'], undefined],
    ['it', join(second, 'it'), ['1.0.0'], join(first, 'it')],
    ['that', join(second, 'that'), ['1.1.0'], undefined],
  ])
  expect(found[0]?.madeBy).toBe('containernetworking v1.2.3')
})

it('starts one that tells all at once only once', async () => {
  const about = 'CNI it plugin v1.2.3\nCNI protocol versions supported: 0.4.0, 1.0.0'
  const folder = programsIn({ it: `echo started >>"$0.said"; [ -n "$CNI_COMMAND" ] || echo '${about}' >&2` })
  expect(await listPlugins([folder])).toMatchObject([
    { speaks: ['0.4.0', '1.0.0'], madeBy: 'containernetworking v1.2.3' },
  ])
  expect(readFileSync(join(folder, 'it.said'), 'utf8')).toBe('started\n')
})

it('lists what is no plugin with the reason, and asks it nothing but what it is', async () => {
  const folder = programsIn({
    failing: 'echo "boom" >&2; exit 3',
    foreign: `echo "$CNI_COMMAND" >>"$0.said"; echo hello`,
    plain: '',
  })
  chmodSync(join(folder, 'plain'), 0o644)
  symlinkSync('/nowhere', join(folder, 'lost'))
  writeFileSync(join(folder, 'odd'), 'touch "$0.done"\n', { mode: 0o755 })
  writeFileSync(join(folder, 'interpreted'), '#!/no/such\n', { mode: 0o755 })
  const found = await listPlugins([folder])
  expect(Object.fromEntries(found.map(({ type, wrong }) => [type, wrong]))).toEqual({
    failing: 'not a plugin: no answer to VERSION (exit 3), but: boom',
    foreign: 'not a plugin: no answer to VERSION, but: hello',
    interpreted: 'no plugin that can be started: the interpreter that its first line names is not there: #!/no/such',
    lost: 'a link that leads nowhere',
    odd: 'no plugin that can be started: it is neither a program nor a script that begins with #!',
    plain: 'not executable: chmod +x',
  })
  expect(readFileSync(join(folder, 'foreign.said'), 'utf8')).toBe('\nVERSION\n')
  expect(existsSync(join(folder, 'odd.done'))).toBe(false)
  const { stdout } = await cli(['cni', 'plugins', '--bin-dir', folder])
  expect(stdout).toContain(`${join(folder, 'failing')}: not a plugin`)
})

it('waits two seconds for a program that answers nothing, and ends it and what it started', async () => {
  const folder = programsIn({ slow: 'sleep 731; echo late' })
  const started = performance.now()
  const [slow] = await listPlugins([folder])
  expect(slow?.wrong).toBe('not a plugin: no answer to VERSION within 2 s')
  expect(performance.now() - started).toBeLessThan(10_000)
  expect(processesWith(['sleep', '731'].join('\0'))).toEqual([])
}, 20_000)

it('ends a program that prints without an end, and what it started, and asks the others', async () => {
  const folder = programsIn({ endless: 'while :; do echo 732; done & wait', good: speaking('1.0.0') })
  const found = await listPlugins([folder])
  expect(found).toMatchObject([{ wrong: 'not a plugin: it never stops printing' }, { speaks: ['1.0.0'] }])
  expect(processesWith(join(folder, 'endless'))).toEqual([])
})

it('asks none where there are more files than anybody has plugins', async () => {
  const folder = programsIn({ said: 'echo >"$0.done"' })
  for (let i = 0; i < 100; i++) writeFileSync(join(folder, String(i)), '')
  await expect(listPlugins([folder])).rejects.toMatchObject({ kind: 'usage' })
  expect(existsSync(join(folder, 'said.done'))).toBe(false)
})

describe.skipIf(!existsSync(join(reference, 'bridge')))('the reference plugins (containernetworking-plugins)', () => {
  it('are listed by the command', async () => {
    const { code, stdout } = await cli(['cni', 'plugins', '--bin-dir', reference])
    expect(stdout).toMatch(/^bridge +\/usr\/lib\/cni\/bridge +0\.1\.0–1\.\d\.0 +containernetworking/m)
    expect(code).toBe(0)
    const json = await cli(['cni', 'plugins', '--bin-dir', reference, '--json'])
    expect(JSON.parse(json.stdout)).toMatchObject({ schema: 'cnilab/cni-plugins/v1', folders: [reference] })
  })
})

it("says of each program of the seed's list what it is for, who maintains it or that nobody does, and what to use instead", async () => {
  const seed =
    'bridge dhcp flannel host-local ipvlan loopback macvlan portmap ptp sample tuning vlan weave-ipam weave-net weave-plugin-2.2.1'
  const names = [...seed.split(' '), 'mine', 'constructor']
  const folder = programsIn(Object.fromEntries(names.map((name) => [name, speaking('1.0.0')])))
  const { stdout } = await cli(['cni', 'plugins', '--bin-dir', folder])
  const purposes = stdout.slice(stdout.indexOf('What they are for'))
  for (const name of names) expect(purposes).toMatch(new RegExp(`^    ${name}(  |$)`, 'm'))
  for (const words of [
    /No longer maintained\. It was by Weaveworks[^]*rajch\/weave:\n    weave-ipam [^]*weave-net [^]*weave-plugin-2\.2\.1 /,
    /cnilab cni install has\s+this type, too:\n(    .*\n)*    bridge /,
    /Maintained by flannel-io\/cni-plugin.*\n    flannel /,
    /Not known to cnilab.*\n    constructor\n    mine/,
  ])
    expect(purposes).toMatch(words)
})

it('does not offer cni install for a type that is not ours', async () => {
  await cli(['netns', 'create', 'red'])
  const conf = folderWith({
    'flat.conf': JSON.stringify({ cniVersion: '1.0.0', name: 'flat', type: 'no-such-type' }),
    'own.conf': JSON.stringify({ cniVersion: '1.0.0', name: 'own', type: 'bridge' }),
  })
  const add = async (network: string) =>
    (await cli(['cni', 'add', network, 'red', '--conf-dir', conf, '--cni-path', '/no/such'])).stderr
  expect(await add('flat')).toMatch(/there is no plugin 'no-such-type'[^]*cnilab cannot/)
  expect(await add('flat')).not.toContain('cni install')
  expect(await add('own')).toContain('cnilab cni install')
})

it('says where it looked in vain', async () => {
  const { code, stdout } = await cli(['cni', 'plugins'], '', undefined, { CNI_PATH: '/no/such:/neither' })
  expect(stdout).toContain('there is no folder /no/such or /neither')
  expect(code).toBe(0)
})
