// The shell scripts that `npm run bench` measures cnilab against. They run as `sh -eu` in `unshare -Urnm`.

/** What is measured of a script lies between these two lines of its output. */
export const MARKS = { start: 'measure-start', end: 'measure-end' }

const PREPARE = 'mount -t tmpfs run /run; mkdir /run/netns'

/** A negative check; `! ping` would not do, because `sh -e` lets it pass whatever comes out. */
const noAnswer = (to: string) => `if ip netns exec red ping -n -c1 -W0.2 ${to} >/dev/null 2>&1; then exit 1; fi`
const answer = (to: string) => `ip netns exec red ping -n -c1 -W2 ${to} >/dev/null`

/** Step 8, as `lab run --script` prints it. */
const MASQUERADE = `sysctl -qw net.ipv4.ip_forward=1
nft add table ip nat
nft add chain ip nat postrouting '{ type nat hook postrouting priority srcnat; policy accept; }'
nft add rule ip nat postrouting ip saddr 10.22.0.0/16 ip daddr != 10.22.0.0/16 masquerade`

/** What `lab run eight-steps` does, internet and checks included; the end of the namespaces is the teardown of both. */
export const EIGHT_STEPS = `${PREPARE}
ip link set dev lo up
ip netns add internet
ip link add name eth0 type veth peer name eth0 netns internet
ip address add 203.0.113.2/24 dev eth0
ip link set dev eth0 up
ip route add default via 203.0.113.1
ip -n internet link set dev lo up
ip -n internet address add 203.0.113.1/24 dev eth0
ip -n internet link set dev eth0 up
ip netns add red
ip link add name cni0 type bridge
ip link add name veth-c type veth peer name veth-b
ip link set dev veth-c netns red name eth0
ip link set dev veth-b master cni0
ip -n red address add 10.22.0.2/16 dev eth0
ip address add 10.22.0.1/16 dev cni0
${noAnswer('10.22.0.1')}
ip link set dev veth-b up
ip link set dev cni0 up
ip -n red link set dev lo up
ip -n red link set dev eth0 up
ip -n red route add default via 10.22.0.1
${answer('10.22.0.1')}
${noAnswer('203.0.113.1')}
${MASQUERADE}
${answer('203.0.113.1')}
ip netns exec internet nft add table ip who
ip netns exec internet nft add set ip who seen '{ type ipv4_addr; flags dynamic; timeout 1m; }'
ip netns exec internet nft add chain ip who input '{ type filter hook input priority filter; }'
ip netns exec internet nft add rule ip who input update @seen '{ ip saddr }'
${answer('203.0.113.1')}
ip netns exec internet nft list set ip who seen | grep -q 203.0.113.2
`

/** How a cable's end gets into its namespace: moved there and renamed, or made in place. */
export type Ends = 'moved' | 'in place'

const veth = (ends: Ends) =>
  ends === 'moved'
    ? ['link add name veth$i type veth peer name p$i', 'link set dev p$i netns c$i name eth0']
    : ['link add name veth$i type veth peer name eth0 netns c$i']
const BRIDGE = ['link add name cni0 type bridge', 'address add 10.22.0.1/16 dev cni0', 'link set dev cni0 up']
const HOST_SIDE = (ends: Ends) => [
  'netns add c$i',
  ...veth(ends),
  'link set dev veth$i master cni0',
  'link set dev veth$i up',
]
const INSIDE = [
  'address add 10.22.$(((i + 1) / 256)).$(((i + 1) % 256))/16 dev eth0',
  'link set dev lo up',
  'link set dev eth0 up',
  'route add default via 10.22.0.1',
]

/** A loop over the containers, in plain sh. */
const each = (n: number, body: string) => `i=1; while [ $i -le ${n} ]; do\n${body}\ni=$((i + 1)); done`
const lines = (prefix: string, commands: readonly string[]) => commands.map((c) => `${prefix} ${c}`).join('\n')

/**
 * Only the build counts. Afterwards the last container must reach its gateway: a script that did not build proves
 * nothing. It gets 20 s for that, because the bridge of a naive build is still flooding by then.
 */
const measured = (n: number, build: string) => `${PREPARE}
echo ${MARKS.start}
${build}
${MASQUERADE}
echo ${MARKS.end}
[ "$(ip netns list | wc -l)" -eq ${n} ]
ip netns exec c${n} ping -n -c1 -w20 10.22.0.1 >/dev/null
`

/** `labs/scale.yaml` with one `ip` process for each action, as most scripts do it. */
export const onePerAction = (n: number) =>
  measured(
    n,
    [lines('ip', BRIDGE), each(n, `${lines('ip', HOST_SIDE('moved'))}\n${lines('ip -n c$i', INSIDE)}`)].join('\n'),
  )

/** The same with one `ip -batch` for the host and one for each container; the bridge is up first. */
export const naiveBatch = (n: number, ends: Ends) =>
  measured(
    n,
    `{\n${lines('echo', BRIDGE)}\n${each(n, lines('echo', HOST_SIDE(ends)))}\n} | ip -batch -
${each(n, `{\n${lines('echo', INSIDE)}\n} | ip -n c$i -batch -`)}`,
  )

/** Mininet's own way to as many hosts on one Linux bridge, by the Python that it is installed for. */
export const mininet = (n: number) => `${PREPARE}
ip link set dev lo up
python=$(sed -n '1s/^#! *//p' "$(command -v mn)")
$python - 2>/dev/null <<'END'
from mininet.net import Mininet
from mininet.nodelib import LinuxBridge
from mininet.topo import SingleSwitchTopo
print('${MARKS.start}', flush=True)
net = Mininet(SingleSwitchTopo(${n}), switch=LinuxBridge, controller=None)
net.start()
print('${MARKS.end}', flush=True)
assert net.ping(net.hosts[:2]) == 0
net.stop()
END
`
