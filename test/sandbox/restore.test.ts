import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Kernel } from '../../src/kernel/kernel.ts'
import { restoreSandbox } from '../../src/sandbox/restore.ts'
import { withSandbox } from '../helpers.ts'

/** Everything about the network of a sandbox, without what differs from one to the next by chance. */
async function dump(kernel: Kernel): Promise<string> {
  await sleep(1500) // the kernel tells of a carrier once a second
  const all = `ls /run/netns; for n in "" internet; do
    run() { if [ -z "$n" ]; then "$@"; else nsenter --net=/run/netns/$n -- "$@"; fi; }
    run ip -o link | sed 's/link.ether.*//;s/^[0-9]*: //;s/@if[0-9]*//'; run ip -o address | sed 's/^[0-9]*: //'
    run ip route show table all; run ip -6 rule; run ip rule; run ip neigh; run nft list ruleset; run ip nexthop; run ip xfrm policy; run ip addrlabel | sort; run tc qdisc show dev lo; run sh -c 'command -v iptables-legacy && iptables-legacy -t nat -S && iptables-legacy -S; ls -a /run/netns' 2>/dev/null
    run sysctl -a --pattern '^net[.]' 2>/dev/null | grep -v -e nf_conntrack_count -e stable_secret -e tcp_fastopen_key
  done`
  const { stdout } = await kernel.probe([
    'sh',
    '-c',
    all.replaceAll('\n', ' ; ').replace('do ;', 'do').replace('; run() {', ' run() {'),
  ])
  return stdout
}

const MESS = [
  'ip netns add red; ip link add name cni0 type bridge; ip link set cni0 up; ip address add 10.1.0.1/16 dev cni0',
  'ip link add name a type veth peer name b netns red; ip route add 10.9.0.0/16 via 203.0.113.1; ip rule add pref 5 lookup 99',
  'ip -6 rule add pref 7 lookup 98; ip route add blackhole 10.8.0.0/16; nft add table ip x; ip netns delete internet',
  'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.arp_ignore=1 net.core.somaxconn=77',
  'ip netns add .hidden; mkdir /run/netns/folder; ip nexthop add id 7 blackhole; ip link set dev lo mtu 1300 alias x',
  'ip xfrm policy add src 10.0.0.0/8 dst 10.0.0.0/8 dir out; tc qdisc add dev lo ingress',
  '! command -v iptables-legacy >/dev/null || { iptables-legacy -t nat -A POSTROUTING -s 10.22.0.0/16 -j MASQUERADE; iptables-legacy -P FORWARD DROP; }',
  'sysctl -qw net.ipv6.conf.all.forwarding=1; ip address add 10.7.0.1/32 dev lo; ip rule delete pref 0',
].join('; ')

it('puts everything back, whatever was done', async () => {
  await withSandbox(async (kernel) => {
    const first = await dump(kernel)
    for (const part of ['203.0.113.2/24', 'rp_filter = 2', 'default via']) expect(first).toContain(part)
    expect((await kernel.probe(['sh', '-c', MESS])).stderr).toBe('')
    expect(await dump(kernel)).not.toBe(first)
    await restoreSandbox(kernel.host)
    expect(await dump(kernel)).toBe(first)
    await restoreSandbox(kernel.host)
    expect(await dump(kernel)).toBe(first)
  })
})
