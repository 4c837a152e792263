import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { quote } from '../../src/plan/command-line.ts'
import { visible } from '../../src/visible.ts'
import { cli, onTerminal, runtime } from '../helpers.ts'
import { some } from '../long.ts'
import { EVIL, expectOurs, expectVisible } from './hostile.ts'

const [folder, bin] = [join(runtime, `conf${EVIL}`), join(runtime, 'bin')]
/** Where the plugins are in the sandbox. */
const PLUGINS = '/var/lib/plugins'

const result = {
  cniVersion: '1.0.0',
  interfaces: [{ name: EVIL, mac: EVIL, sandbox: EVIL }],
  ips: [{ address: '10.1.1.2/24' }],
  dns: { search: [EVIL] },
}
const error = { cniVersion: '1.0.0', code: 100, msg: EVIL, details: EVIL }
const versions = { cniVersion: '1.0.0', supportedVersions: ['1.0.0', EVIL] }

/** A plugin in shell, which says such things on its standard error, and after ADD what is given. */
function plugin(answer: string, status = 0): string {
  return `#!/bin/sh
printf %s ${quote(`${EVIL}\n`)} >&2
case $CNI_COMMAND in
  VERSION) printf %s ${quote(JSON.stringify(versions))} ;;
  ADD | CHECK) printf %s ${quote(answer)}; exit ${status} ;;
esac
`
}
const plugins: Readonly<Record<string, string>> = {
  evil: plugin(JSON.stringify(result)),
  refuses: plugin(JSON.stringify(error), 1),
  babbles: plugin(EVIL),
  dies: plugin('', 3),
  [EVIL]: plugin(EVIL, 1),
}

const files: Readonly<Record<string, string>> = {
  [`10-${EVIL}.conf`]: JSON.stringify({ cniVersion: '1.0.0', name: 'evil', type: 'evil', [EVIL]: EVIL, mtu: EVIL }),
  '20-refuses.conf': JSON.stringify({ cniVersion: '1.0.0', name: 'refuses', type: 'refuses', ipam: { type: EVIL } }),
  '20-babbles.conf': JSON.stringify({ cniVersion: '1.0.0', name: 'babbles', type: 'babbles' }),
  '20-dies.conf': JSON.stringify({ cniVersion: '1.0.0', name: 'dies', type: 'dies' }),
  '25-bridge.conf': JSON.stringify({ cniVersion: '1.0.0', name: EVIL, type: 'bridge', bridge: EVIL }),
  [`30-${EVIL}.conflist`]: `{"name": "${EVIL}", ${EVIL}`,
  '40-list.conflist': JSON.stringify({
    cniVersion: EVIL,
    name: EVIL,
    plugins: [{ type: EVIL, capabilities: { [EVIL]: EVIL } }],
  }),
}

beforeAll(async () => {
  for (const one of [folder, bin]) mkdirSync(one)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  for (const [name, text] of Object.entries(plugins)) {
    writeFileSync(join(bin, name), text)
    chmodSync(join(bin, name), 0o755)
    const script = `ip netns add red 2>/dev/null; mkdir -p ${PLUGINS}; cat >"${PLUGINS}/$1"; chmod 755 "${PLUGINS}/$1"`
    await cli(['exec', '--', 'sh', '-c', script, 'sh', name], text)
  }
})

describe('files', () => {
  it.each([
    ['validate', folder],
    ['validate', folder, '--bin-dir', bin],
    ['validate', folder, '--json'],
    ['validate', join(folder, `30-${EVIL}.conflist`)],
    ['configs', '--conf-dir', folder],
    ['configs', '--conf-dir', folder, '--bin-dir', bin],
    ['configs', '--conf-dir', folder, '--json'],
    ['plugins', '--bin-dir', bin],
    ['plugins', '--bin-dir', bin, '--json'],
    ['plugins', '--bin-dir', folder],
  ])('cni %j %j %j %j', async (...args) => expectVisible(await cli(['cni', ...args])))

  it.each([
    ['c1', '40-list.conflist'],
    ['c1', '25-bridge.conf'],
    ['c1', `30-${EVIL}.conflist`],
    [EVIL, '25-bridge.conf'],
  ])('bridge add %j red --config %j', async (cid, config) => {
    expectVisible(await cli(['bridge', 'add', cid, 'red', '--config', join(folder, config)]))
    expectVisible(await cli(['bridge', 'add', cid, 'red', '--config', join(folder, config), '--dry-run']))
  })
})

const calls = ['evil', 'refuses', 'babbles', 'dies', EVIL, 'nosuch'].flatMap((network) => [
  ['add', network, 'red', '--dry-run'],
  ['add', network, 'red', '--dry-run', '--json'],
  ['add', network, 'red', '--trace'],
  ['add', network, 'red'],
  ['add', network, 'red', '--json'],
  ['check', network, 'red'],
  ['del', network, 'red'],
  ['gc', network, '--keep', EVIL],
])
const given = ['--conf-dir', folder, '--cni-path', PLUGINS]

describe('plugins', () => {
  it.each(some(calls, 2))('cni %s %j %s %s %s', async (...args) => expectVisible(await cli(['cni', ...args, ...given])))

  it('an error is shown, and what is said on standard error', async () => {
    const { code, stderr } = await cli(['cni', 'add', 'refuses', 'red', ...given])
    expect(code).toBe(1)
    expect(stderr).toContain(`${visible(EVIL)} (CNI error 100)`)
    expect(stderr.split('\n')).toContain(visible(EVIL))
  })

  it('a result is JSON with the same values', async () => {
    const { code, stdout } = await cli(['cni', 'add', 'evil', 'red', '--ifname', 'eth7', ...given])
    expect([code, JSON.parse(stdout)]).toMatchObject([0, result])
  })

  it('what --dry-run prints gives a plugin the same, pasted into a shell', async () => {
    const { stdout } = await cli(['cni', 'add', 'evil', 'red', '--dry-run', ...given])
    const call = stdout.split('\n').filter((line) => !line.startsWith('#'))
    const script = call.join('\n').replace(/cnilab exec -- env[^<]*/, 'cat ')
    const { stdout: input } = await cli(['exec', '--', 'sh', '-s'], script)
    expect(JSON.parse(input)).toMatchObject({ [EVIL]: EVIL, mtu: EVIL })
  })

  it('conformance', async () => {
    const words = ['cni', 'conformance', join(bin, 'refuses'), '--config', join(folder, '20-refuses.conf')]
    for (const more of some([[], ['--report', 'tap'], ['--report', 'junit'], ['--json']], 2))
      expectVisible(await cli([...words, ...more]))
  }, 120_000)

  it('on a terminal', async () => {
    const at = `--conf-dir '${join(runtime, 'conf')}'* --cni-path ${PLUGINS}`
    for (const args of [
      `validate '${join(runtime, 'conf')}'*`,
      `plugins --bin-dir ${bin}`,
      `add refuses red ${at}`,
      `add refuses red ${at} --trace`,
      `add evil red ${at} --dry-run`,
    ])
      expectOurs((await onTerminal(`cni ${args}`)).screen)
  })
})
