// The machine has its IPv6 default route from a router's advertisements, which the kernel drops when it begins to forward.
import { expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'

/** Sends a router advertisement (RFC 4861) to all that is on the cable of e0. */
const ADVERTISE = `use Socket qw(:all); my ($index) = @ARGV; socket(my $s, AF_INET6, SOCK_RAW, 58) or die;
  setsockopt($s, 41, 18, pack("i", 255)); setsockopt($s, 41, 17, pack("i", $index));
  for (1 .. 40) { last if send($s, pack("CCnCCnNN", 134, 0, 0, 64, 0, 1800, 0, 0), 0, pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"), $index)); select(undef, undef, undef, .2) }`

/** A machine that listens to a router at the other end of eth0, and what of it is to stay. */
const MACHINE = `ip netns add isp; for n in 'ip netns exec isp' ''; do for one in all default; do $n sysctl -qw net.ipv6.conf.$one.accept_dad=0; done; done
  ip link add name eth0 type veth peer name e0 netns isp; ip -n isp link set dev e0 up; ip link set dev eth0 up
  look() { ip -6 route show default | grep -o 'dev eth0 proto ra'; cat /proc/sys/net/ipv6/conf/eth0/accept_ra /proc/sys/net/ipv6/conf/all/forwarding; }
  echo '${ADVERTISE}' >/run/advertise
  for i in $(seq 20); do ip netns exec isp perl /run/advertise $(ip netns exec isp cat /sys/class/net/e0/ifindex); look | grep -q ra && break; sleep .3; done`

it('forwarding leaves that route there, and what is set for it is put back with it', () => {
  const output = onMachine(`${MACHINE}; look; for undo in 'masquerade fd00::/64 --delete' clean; do
      cnilab masquerade fd00::/64 --host | grep -o 'sysctl.*'; look; cnilab $undo --host >/dev/null; echo "exit $?"; look; done`)
  const before = 'dev eth0 proto ra\n1\n0\n'
  const on = `sysctl -w net.ipv6.conf.eth0.accept_ra=2\nsysctl -w net.ipv6.conf.all.forwarding=1\ndev eth0 proto ra\n2\n1\n`
  expect(output).toBe(`${before}${on}exit 0\n${before}${on}exit 0\n${before}`)
})

it('an interface on which another program listens is left as it is', () => {
  const output =
    onMachine(`ip link add name eth0 type bridge; ip link set dev eth0 up; sysctl -qw net.ipv6.conf.eth0.accept_ra=0
    ip -6 route add default via fe80::1 dev eth0 proto ra; cnilab masquerade fd00::/64 --host | grep -o 'sysctl.*'; cat /proc/sys/net/ipv6/conf/eth0/accept_ra`)
  expect(output).toBe('sysctl -w net.ipv6.conf.all.forwarding=1\n0\n')
})

it('bridge add shows it, and clean puts it back', () => {
  const network = { cniVersion: '1.0.0', name: 'six', type: 'bridge', bridge: 'br6', isGateway: true, ipMasq: true }
  const ipam = { type: 'host-local', ranges: [[{ subnet: 'fd09::/64' }]] }
  const output = onMachine(`${MACHINE}; echo '${JSON.stringify({ ...network, ipam })}' >/run/six.conf; ip netns add red
    cnilab bridge add a red --config /run/six.conf --host | grep -o 'sysctl -w.*eth0.accept_ra.*'; look; cnilab clean --host >/dev/null; echo "exit $?"; look`)
  expect(output).toBe(
    'sysctl -w net.ipv6.conf.eth0.accept_ra=2\ndev eth0 proto ra\n2\n1\nexit 0\ndev eth0 proto ra\n1\n0\n',
  )
})
