// Plugins run as root on machines where others have their own things.
import { expect, it } from 'vitest'
import { hostEnd } from '../../../src/cni/plugins/identity.ts'
import {
  BY_PROGRAMS,
  after,
  cni,
  everything,
  json,
  keeping,
  network,
  OURS,
  reserved,
  sh,
  withNamespaces,
} from '../plugin.ts'

it('a failed ADD leaves an interface alone that has the MAC it was asked for', () =>
  withNamespaces(['red'], async (kernel) => {
    const args = 'MAC=02:00:00:00:00:77'
    await cni(kernel, 'ADD', network(), { args })
    const state = await everything(kernel)
    // Less than a bridge can have: the kernel refuses it, and nothing of the cable is there yet.
    const second = network({ name: 'second', bridge: 'br2', mtu: 20 }, { subnet: '10.23.0.0/16' })
    expect(await cni(kernel, 'ADD', second, { args, ifname: 'eth1' })).toHaveProperty('code')
    expect(await everything(kernel)).toEqual(state)
  }))

it('a failed ADD puts back the address that forceAddress took off, and what each link forwards', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(
      kernel,
      'ip link add name br2 type bridge; ip address add 10.99.0.1/24 dev br2; ip link set dev br2 up; echo 1 >/proc/sys/net/ipv4/conf/br2/forwarding',
    )
    const state = await everything(kernel)
    const routes = [{ dst: '192.0.2.0/24', gw: '198.51.100.1' }] // which nothing leads to
    const forced = network({ bridge: 'br2', forceAddress: true }, { routes })
    expect(await cni(kernel, 'ADD', forced)).toHaveProperty('code')
    expect(await everything(kernel)).toEqual(state)
  }))

it('a result that is none cannot name rules of others', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(kernel, 'nft add table ip victim')
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'eth0', sandbox: '/run/netns/red' }],
      ips: [{ address: '10.1.0.5 . 80 }\ndelete table ip victim\n#/24', interface: 0 }],
    }
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }
    const config = { cniVersion: '1.1.0', name: 'n', type: 'portmap', snat: false, runtimeConfig, prevResult }
    const portmap = { file: `${OURS}/portmap` }
    expect(await cni(kernel, 'ADD', config, portmap)).toMatchObject({ code: 6 })
    expect(await sh(kernel, 'nft list tables')).toContain('victim')
    expect(await cni(kernel, 'ADD', { ...config, prevResult: undefined }, { ...portmap, ifname: 'e"b' })).toMatchObject(
      {
        code: 4,
      },
    )
  }))

it('a program that outlives its plugin still holds the lock: DEL waits for it, and takes all away', () =>
  withNamespaces(['red'], async (kernel) => {
    const state = await everything(kernel)
    // An ip that is slow to make the cable, as the kernel is when many want it.
    await sh(
      kernel,
      `mkdir /tmp/slow; real=$(command -v ip); printf '%s\\n' '#!/bin/sh' 'input=$(cat)' 'case $input in *"type veth"*) sleep 2 ;; esac' \
        'printf "%s\\\\n" "$input" | exec '"$real"' "$@"' >/tmp/slow/ip; chmod +x /tmp/slow/ip`,
    )
    const call = `CNI_CONTAINERID=c CNI_NETNS=/run/netns/red CNI_IFNAME=eth0 CNI_PATH=${OURS}`
    const config = JSON.stringify(network())
    await sh(
      kernel,
      `cat >/tmp/conf <<'END'\n${config}\nEND
       (${BY_PROGRAMS} PATH=/tmp/slow:$PATH CNI_COMMAND=ADD ${call} exec ${OURS}/bridge </tmp/conf >/dev/null 2>&1) & pid=$!
       sleep 1; kill -KILL $pid; wait $pid || true
       CNI_COMMAND=DEL ${call} ${OURS}/bridge </tmp/conf`,
    )
    const left = (await everything(kernel)).filter((line) => /veth|reserved|cnilab_network/.test(line))
    expect(left).toEqual(state.filter((line) => /veth|reserved|cnilab_network/.test(line)))
    await sh(kernel, 'sleep 2')
    expect((await sh(kernel, 'ip -br link')).match(/^veth/gm)).toBeNull()
  }))

it('IPv6 works in a namespace where it was turned off', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(kernel, 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1', 'red')
    const ranges = [[{ subnet: '10.22.0.0/24' }], [{ subnet: 'fd00:7::/64' }]]
    const dual = network({}, { subnet: undefined, ranges })
    const added = await cni(kernel, 'ADD', dual)
    expect(added.ips).toHaveLength(2)
    expect(JSON.stringify(await json(kernel, 'ip -j -6 address show dev eth0', 'red'))).toContain('fd00:7::2')
    expect(await cni(kernel, 'CHECK', after(dual, added))).toEqual({})
    expect(await cni(kernel, 'DEL', after(dual, added))).toEqual({})
    expect(await reserved(kernel)).toEqual([])
  }))

it('an empty MAC is none, and a result without addresses hides no rule from DEL', () =>
  withNamespaces(['red'], async (kernel) => {
    expect(await cni(kernel, 'ADD', network({ runtimeConfig: { mac: '' } }), { args: 'MAC=' })).toHaveProperty('ips')
    expect(await cni(kernel, 'DEL', after(network(), { cniVersion: '1.1.0' }))).toEqual({})
    expect(await sh(kernel, 'nft list tables')).toBe('')
    const long = network({ name: `n${'x'.repeat(250)}` })
    expect(await cni(kernel, 'ADD', long)).toHaveProperty('ips')
    expect(await cni(kernel, 'DEL', long)).toEqual({})
    expect(await sh(kernel, 'nft list tables')).toBe('')
  }))

it('an IPAM plugin that needs the interface finds it; where it fails nothing is left', () =>
  withNamespaces(['red'], async (kernel) => {
    await sh(
      kernel,
      `mkdir /tmp/bin; ln -s ${OURS}/* /tmp/bin; cat >/tmp/bin/asking <<'END'
#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
nsenter --net="$CNI_NETNS" ip -o link show dev "$CNI_IFNAME" up >&2 && [ ! -e /tmp/refuse ] ||
  { echo '{"cniVersion":"1.1.0","code":11,"msg":"no lease","details":"later"}'; exit 1; }
echo '{"cniVersion":"1.1.0","ips":[{"address":"10.22.0.9/16","gateway":"10.22.0.1"}],"routes":[{"dst":"0.0.0.0/0"}]}'
END
chmod +x /tmp/bin/asking`,
    )
    const state = await everything(kernel)
    const config = network({ ipam: { type: 'asking' } })
    const place = { path: ['/tmp/bin'] }
    await sh(kernel, 'touch /tmp/refuse')
    expect(await cni(kernel, 'ADD', config, place)).toMatchObject({ code: 11, msg: 'no lease' })
    expect(await everything(kernel)).toEqual(state)
    await sh(kernel, 'rm /tmp/refuse')
    const added = await cni(kernel, 'ADD', config, place)
    expect(added.ips).toMatchObject([{ address: '10.22.0.9/16', interface: 2 }])
    expect(await cni(kernel, 'CHECK', after(config, added), place)).toEqual({})
    expect((await kernel.probe(['ping', '-c1', '-W2', '203.0.113.1'], 'red')).code).toBe(0)
    expect(await cni(kernel, 'DEL', after(config, added), place)).toEqual({})
  }))

it('tables of our names that others made are neither used nor deleted', () =>
  withNamespaces(['red'], async (kernel) => {
    const spoofed = `cnilab_${hostEnd({ network: 'mynet', containerId: 'c-red', ifname: 'eth0' }).name}`
    const foreign = ['ip cnilab_network_mynet', 'ip cnilab_ports', `bridge ${spoofed}`]
    const prevResult = {
      cniVersion: '1.1.0',
      ips: [{ address: '10.22.0.2/16', interface: 0 }],
      interfaces: [{ name: 'eth0', sandbox: '/run/netns/red' }],
    }
    const runtimeConfig = { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }
    const ports = { cniVersion: '1.1.0', name: 'mynet', type: 'portmap', runtimeConfig, prevResult }
    const calls = [network(), ports, network({ ipMasq: false, macspoofchk: true })] as const
    for (const [i, table] of foreign.entries()) {
      const config = calls[i] ?? {}
      const file = `${OURS}/${String(config['type'])}`
      for (const lay of [`nft add table ${table}`, `nft add chain ${table} theirs`]) {
        await sh(kernel, lay)
        const state = await everything(kernel)
        expect(await cni(kernel, 'ADD', config, { file })).toMatchObject({
          code: 100,
          msg: expect.stringContaining(`table ${table}`),
        })
        expect(await everything(kernel)).toEqual(state)
        expect(await cni(kernel, 'DEL', config, { file })).toEqual({})
        expect(await cni(kernel, 'GC', keeping(config), { file })).toEqual({})
        expect(await everything(kernel)).toEqual(state)
      }
      await sh(kernel, `nft delete table ${table}`)
    }
  }))

it('a table of ours into which others put something loses our part of it alone', () =>
  withNamespaces(['red', 'blue'], async (kernel) => {
    const config = network()
    const table = 'ip cnilab_network_mynet'
    const set = 'containers_10_22_0_0_16'
    const [red, blue] = [await cni(kernel, 'ADD', config), await cni(kernel, 'ADD', config, { netns: 'blue' })]
    await sh(kernel, `nft add chain ${table} theirs; nft 'add element ${table} ${set} { 10.22.9.9 }'`)
    expect(await cni(kernel, 'DEL', after(config, red))).toEqual({})
    expect(await cni(kernel, 'GC', keeping(config))).toEqual({}) // blue is gone
    const left = await sh(kernel, 'nft list ruleset')
    expect(left).toContain('elements = { 10.22.9.9 }')
    expect(left).toContain('chain theirs')
    expect(await cni(kernel, 'DEL', after(config, blue), { netns: 'blue' })).toEqual({})
    await sh(kernel, `nft delete chain ${table} theirs; nft 'delete element ${table} ${set} { 10.22.9.9 }'`)
    const again = await cni(kernel, 'ADD', config)
    expect(await cni(kernel, 'CHECK', after(config, again))).toEqual({})
    expect(await cni(kernel, 'DEL', after(config, again))).toEqual({})
    expect(await sh(kernel, 'nft list ruleset')).toBe('')
  }))

it.each(['bridge', 'ptp'])('DEL of a %s succeeds where the cable goes by itself just before it is deleted', (type) =>
  withNamespaces(['red'], async (kernel) => {
    const config = network({ type, macspoofchk: true })
    const added = await cni(kernel, 'ADD', config, { file: `${OURS}/${type}` })
    // An ip that is late: the kernel has taken the namespace down meanwhile.
    await sh(
      kernel,
      `mkdir /tmp/late; real=$(command -v ip); printf '%s\\n' '#!/bin/sh' 'case "$*" in "link delete dev veth"*) '"$real"' "$@" ;; esac' \
        'exec '"$real"' "$@"' >/tmp/late/ip; chmod +x /tmp/late/ip
       printf '#!/bin/sh\\n${BY_PROGRAMS} PATH=/tmp/late:$PATH exec ${OURS}/${type}\\n' >/tmp/plugin; chmod +x /tmp/plugin`,
    )
    expect(await cni(kernel, 'DEL', after(config, added), { file: '/tmp/plugin' })).toEqual({})
    expect((await everything(kernel)).filter((line) => /link veth|reserved|cnilab_/.test(line))).toEqual([])
  }),
)
