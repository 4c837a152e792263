import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Plugin } from 'esbuild'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildPlugins } from '../../../src/bundle-plugins.ts'
import { APP } from '../../../src/kernel/host.ts'
import type { Kernel } from '../../../src/kernel/kernel.ts'
import { after, type Answer, cni, type Config, network, sh, withNamespaces } from '../plugin.ts'

/** Where the plugins are, as the sandbox sees it. */
const FOLDER = '/tmp/plugins'

/** Replaces the schema library by a module that throws when it is loaded. */
const withoutSchemas: Plugin = {
  name: 'without-schemas',
  setup(bundler) {
    bundler.onResolve({ filter: /^zod$/ }, ({ path }) => ({ path, namespace: 'refused' }))
    bundler.onLoad({ filter: /./, namespace: 'refused' }, () => ({
      contents: "throw new Error('the schema library was loaded')",
    }))
  },
}

/** Has koffi found in the package: by the programs' output, which needs schemas, the plugins would not speak netlink. */
const define = {
  'import.meta.dirname': JSON.stringify(`${APP.package}/dist/plugins`),
  'import.meta.filename': JSON.stringify(`${APP.package}/dist/plugins/main.cjs`),
}

let folder: string
let bundle: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'plugins-'))
  await buildPlugins(join(folder, 'main.cjs'), { plugins: [withoutSchemas], define })
  bundle = readFileSync(join(folder, 'main.cjs'), 'utf8')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Puts the plugins into a sandbox. */
async function putInto(kernel: Kernel): Promise<void> {
  const types = ['host-local', 'ptp', 'portmap', 'tuning', 'loopback']
  await sh(
    kernel,
    `mkdir ${FOLDER}; cp ${APP.package}/dist/plugins/bridge ${FOLDER}
     for type in ${types.join(' ')}; do ln ${FOLDER}/bridge ${FOLDER}/$type; done`,
  )
  await kernel.probe(['sh', '-c', `cat > ${FOLDER}/main.cjs`], undefined, bundle)
}

it('ADD, CHECK and DEL load no schema library', () =>
  withNamespaces(['red'], async (kernel) => {
    await putInto(kernel)
    const call = (type: string, command: 'ADD' | 'CHECK' | 'DEL', config: Config, ifname = 'eth0') =>
      cni(kernel, command, config, { file: `${FOLDER}/${type}`, path: [FOLDER], ifname })
    const ends = async (type: string, config: Config, result: Answer, ifname?: string) => {
      expect(await call(type, 'CHECK', after(config, result), ifname)).toEqual({})
      expect(await call(type, 'DEL', after(config, result), ifname)).toEqual({})
    }
    const lo = { cniVersion: '1.1.0', name: 'lo', type: 'loopback' }
    const looped = await call('loopback', 'ADD', lo, 'lo')
    expect(looped).toMatchObject({ ips: [{}, {}] })
    await ends('loopback', lo, looped, 'lo')

    const two = { ranges: [[{ subnet: '10.22.0.0/16' }], [{ subnet: 'fd22::/64' }]], subnet: undefined }
    const leased = await call('host-local', 'ADD', network({}, two))
    expect(leased).toMatchObject({ ips: [{}, {}] })
    await ends('host-local', network({}, two), leased)

    const ptp = network({ type: 'ptp' }, two)
    const cabled = await call('ptp', 'ADD', ptp)
    expect(cabled).toMatchObject({ ips: [{}, {}] })
    await ends('ptp', ptp, cabled)

    const bridged = await call('bridge', 'ADD', network({ dns: { nameservers: ['192.0.2.1'] } }, two))
    expect(bridged).toMatchObject({ ips: [{}, {}] })
    const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]
    const ports = { cniVersion: '1.1.0', name: 'mynet', type: 'portmap', runtimeConfig: { portMappings } }
    expect(await call('portmap', 'ADD', after(ports, bridged))).toMatchObject({ ips: bridged.ips })
    await ends('portmap', ports, bridged)
    const sysctl = { 'net.ipv4.conf.IFNAME.arp_filter': '1' }
    const tuned = { cniVersion: '1.1.0', name: 'mynet', type: 'tuning', mtu: 1400, promisc: true, sysctl }
    await ends('tuning', tuned, await call('tuning', 'ADD', after(tuned, bridged)))
    await ends('bridge', network({}, two), bridged)
  }))
