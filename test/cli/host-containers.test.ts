// What `bridge add --host` did for containers: after `clean --host` the machine is as before, whatever came between.
import { describe, expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'
import { isLong } from '../long.ts'

/** Two namespaces, and all that a container on a bridge may leave; what host-local keeps for the next one does not count. */
const MACHINE = `ip netns add red; ip netns add blue; q() { cnilab "$@" --host >/dev/null || echo "failed: $*"; }
  dump() { ip -br link | cut -d' ' -f1; nft list ruleset; for n in ip_forward conf/all/forwarding conf/all/accept_redirects; do cat /proc/sys/net/ipv4/$n; done
    find /var/lib/cni -type f ! -name lock ! -name '.*' ! -name 'last_*' 2>/dev/null; ls /run/cnilab 2>/dev/null; }
  dump >/run/before; compare() { dump | diff /run/before - && echo as before; }`

describe('clean --host with two containers on one bridge', () => {
  it.each([
    ['true', 'that are there'],
    ['q bridge del a red', 'of which the first was taken off'],
    ['ip netns delete blue; ip netns delete red', 'which have lost their namespaces'],
    ['ip link delete cni0', 'which have lost their bridge'],
    ['nft flush ruleset', 'which have lost their rules'],
    ['ip netns add green; q bridge add c green; q bridge del a red; ip netns delete blue', 'and a third'],
  ])('leaves nothing (%s), %s', (between, _what) => {
    const output = onMachine(`${MACHINE}; q bridge add a red; q bridge add b blue; ${between}; q clean; compare`)
    expect(output).toBe('as before\n')
  })

  it('gives their addresses back after a reboot, says so, and touches none of a runtime', () => {
    const output =
      onMachine(`${MACHINE}; q bridge add a red; q bridge add b blue; ip netns add green; mkdir /run/conf; export XDG_CACHE_HOME=/run/cache
      echo '{"cniVersion":"1.0.0","name":"other","type":"bridge","bridge":"cni9","ipam":{"type":"host-local","subnet":"10.9.0.0/24"}}' >/run/conf/other.conf
      q cni add other green --conf-dir /run/conf; ip -all netns delete; ip link delete cni0; ip link delete cni9; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0; rm -r /run/cnilab
      cnilab clean --host; dump | grep / | sed s/-cnitool.*//; cnilab clean --host`)
    expect(output).toBe(`✔ released: the address of container a on the network mynet
✔ released: the address of container b on the network mynet
/var/lib/cni/networks/other/10.9.0.2
/var/lib/cni/results/other
nothing to remove
`)
  })

  it('keeps the address of one that is still there, and names it', () => {
    const output =
      onMachine(`${MACHINE}; q bridge add a red; v=$(ip -br link | grep -o 'veth[0-9a-f]*' | head -1); ip link set dev $v down; ip link set dev $v name theirs
      cnilab clean --host; echo "exit $?"; find /var/lib/cni -name '10.*' -o -name 'mynet-*'; ip link set dev theirs name $v; q clean; compare`)
    expect(output).toMatch(
      /theirs now[^\n]*\n[^\n]*\nexit 1\n\/var\/lib\/cni\/[^\n]*\n\/var\/lib\/cni\/[^\n]*\nas before\n$/,
    )
  })
})

/** Seconds until it is killed. */
const AFTER = isLong ? [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7] : [0.3, 0.4, 0.5]

it('however far bridge add came before it was killed, clean leaves nothing', () => {
  const output = onMachine(`${MACHINE}; q bridge add a red
    for after in ${AFTER.join(' ')}; do
      (timeout -s KILL $after $CNILAB bridge add b blue --host >/dev/null; true) 2>/dev/null; q clean; compare; q bridge add a red; done; q clean; compare`)
  expect(output).toBe('as before\n'.repeat(AFTER.length + 1))
})

it('a network whose plugin gives no address leaves no word of the container', () => {
  const output =
    onMachine(`${MACHINE}; echo '{"cniVersion":"1.0.0","name":"none","type":"bridge","ipam":{"type":"nowhere"}}' >/run/none.conf
    cnilab bridge add a red --config /run/none.conf --host | head -1; rm /run/none.conf; compare`)
  expect(output).toMatch(/^Container a .*\nError: [^]*\nas before\n$/)
})
