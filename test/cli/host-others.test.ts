// What others did on the machine to what cnilab made there, or under its names: it is kept, and named.
import { describe, expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'

/** Runs a script with `q`, which is cnilab --host without its output, and `last`, which prints the last line and exit code. */
function after(script: string): string {
  return onMachine(`q() { cnilab "$@" --host >/dev/null || echo "failed: $*"; }
    clean() { cnilab clean --host; echo "exit $?"; }; ${script}`)
}

describe('namespaces', () => {
  it('one with an interface that cnilab did not put there is kept until that is gone', () => {
    const output = after(`q netns create red; ip link add name theirs netns red type bridge
      clean; ip netns; ip -n red link delete theirs; clean; ip netns; ls /run`)
    expect(output).toBe(
      `= kept, still in use: namespace red exists (theirs)\nexit 0\nred\n✔ ip netns delete red\nexit 0\nnetns\n`,
    )
  })

  it('one that was made again is not ours, also when the kernel gives it the same inode', () => {
    // Others on this machine may be given it first.
    const output = after(`q netns create red; inode=$(stat -Lc %i /run/netns/red); ip netns delete red; sleep 0.5
      for i in $(seq 50); do ip netns add x$i; [ $(stat -Lc %i /run/netns/x$i) != $inode ] || break; done
      touch /run/netns/red; mount --bind /run/netns/x$i /run/netns/red
      cnilab netns delete red --host; echo "exit $?"; clean; ls /run/netns | grep red`)
    expect(output).toMatch(
      /^Error: not undone .*cnilab did not make it\n.*\nexit 1\n= left alone, not ours: namespace red .*\nexit 0\nred\n$/,
    )
  })
})

describe('tables of nftables', () => {
  const theirs = (table: string) => `nft add table ${table}; nft add chain ${table} theirs`

  it('one of our name is neither used nor deleted, and is named', () => {
    const table = 'ip cnilab_10_22_0_0_16'
    const output = after(`${theirs(table)}
      cnilab masquerade 10.22.0.0/16 --host; echo "exit $?"; cnilab masquerade 10.22.0.0/16 --delete --host; echo "exit $?"; clean
      nft list ruleset; cat /proc/sys/net/ipv4/ip_forward`)
    expect(output).toContain(
      `Masquerade 10.22.0.0/16: table ${table} holds something that cnilab did not make: chain theirs\n`,
    )
    expect(output.match(/^exit \d/gm)).toEqual(['exit 1', 'exit 1', 'exit 0'])
    expect(output).toMatch(
      /nothing to remove\nexit 0\ntable ip cnilab_10_22_0_0_16 \{\n\tchain theirs \{\n\t\}\n\}\n0\n$/,
    )
  })

  it('one of ours into which somebody put something is kept, with what it does', () => {
    const output = after(`q masquerade 10.22.0.0/16; nft add chain ip cnilab_10_22_0_0_16 theirs
      cnilab masquerade 10.22.0.0/16 --delete --host; echo "exit $?"; clean
      nft list ruleset | grep -c masquerade; nft delete chain ip cnilab_10_22_0_0_16 theirs; clean; ls /run`)
    expect(output).toMatch(/this is not cnilab's: chain theirs of table cnilab_10_22_0_0_16\n.*\nexit 1\n/)
    expect(output).toContain('= kept, still in use: a rule masquerades 10.22.0.0/16 (chain theirs of table')
    expect(output).toMatch(/exit 0\n1\n✔ nft delete table ip cnilab_10_22_0_0_16\n(✔ sysctl.*\n){2}exit 0\nnetns\n$/)
  })

  it('one that was made anew by pasting what was shown is not ours', () => {
    const output = after(`q masquerade 10.22.0.0/16; nft delete table ip cnilab_10_22_0_0_16
      cnilab masquerade 10.22.0.0/16 --dry-run | grep ^nft | sh -e; clean; nft list ruleset | grep -c masquerade`)
    expect(output).toMatch(/exit 0\n1\n$/)
    expect(output).not.toContain('delete table')
  })

  it.each([
    ['with a chain', theirs('ip cnilab_network_mynet')],
    ['that is empty', 'nft add table ip cnilab_network_mynet'],
    [
      'that looks like ours',
      `nft add table ip cnilab_network_mynet; nft add chain ip cnilab_network_mynet postrouting_10_22_0_0_16 '{ type nat hook postrouting priority srcnat; }'
       nft add rule ip cnilab_network_mynet postrouting_10_22_0_0_16 ip saddr 10.22.0.9 masquerade`,
    ],
  ])('bridge add and del leave one of the name of the network alone %s, and name it', (_how, lay) => {
    const output = after(`q netns create red; ${lay}; nft list ruleset >/run/before
      cnilab bridge del never red --host; echo "exit $?"; cnilab bridge add c red --host >/run/log; echo "exit $?"
      nft list ruleset | diff /run/before - && echo as before; ip -br link | cut -d' ' -f1; ip -n red -br link | cut -d' ' -f1`)
    expect(output).toMatch(/Nothing to do.*\nleft alone: table ip cnilab_network_mynet,? .*\nexit 0\n/)
    expect(output).toMatch(/Error: .*table ip cnilab_network_mynet,? [^]*exit 1\nas before\nlo\nlo\n$/)
  })
})

describe('interfaces', () => {
  it.each([
    [
      'a bridge that was renamed',
      'ip link set dev cni0 down; ip link set dev cni0 name theirs',
      'cni0 is called theirs now',
    ],
    ['a bridge with another MAC', 'ip link set dev cni0 address 02:00:00:00:00:99', 'cni0 has another MAC address now'],
  ])('%s is named, left alone with all that it has, and stays in the journal', (_what, change, why) => {
    const output = after(`q bridge create cni0; q ip assign 10.22.0.1/16 cni0; q up cni0
      mac=$(ip -o link show cni0 | grep -o 'ether [^ ]*' | cut -d' ' -f2); ${change}; ip -o address >/run/before
      cnilab bridge delete cni0 --host; echo "exit $?"; clean; ip -o address | diff /run/before - && echo as before
      ip link set dev theirs name cni0 2>/dev/null; ip link set dev cni0 address $mac; clean; ip -br link | cut -d' ' -f1; ls /run`)
    expect(output).toContain(`Error: not undone (Create the bridge cni0): ${why}\n`)
    expect(output).toContain(`cni0 has 10.22.0.1/16, but ${why}; cni0 is a bridge, but ${why}\n`)
    expect(output.match(/^exit \d|as before/gm)).toEqual(['exit 1', 'exit 1', 'as before', 'exit 0'])
    expect(output).toMatch(/✔ ip link delete dev cni0\nexit 0\nlo\nbefore\nnetns\n$/)
  })

  it('a cable of which both ends have other MACs is named, and stays in the journal', () => {
    const output =
      after(`q veth pair va vb; ip link set dev va address 02:00:00:00:00:98; ip link set dev vb address 02:00:00:00:00:99
      clean; ip -br link | grep -c ^v; ip link delete va; clean; ls /run`)
    expect(output).toMatch(
      /^Error: could not undo: .*, but va has another MAC.*\n.*\nexit 1\n2\nnothing to remove\nexit 0\nnetns\n$/,
    )
  })

  it("a container's cable that was renamed is named by bridge del, and stays in the journal", () => {
    const output =
      after(`q netns create red; cnilab bridge add c red --host >/run/log; v=$(ip -o link | grep -o 'veth[0-9a-f]*' | head -1)
      ip link set dev $v down; ip link set dev $v name theirs; cnilab bridge del c red --host; echo "exit $?"
      ip link set dev theirs name $v; cnilab bridge del c red --host >/run/log; echo "exit $?"; clean; ip -br link | cut -d' ' -f1`)
    expect(output).toMatch(
      /^Error: could not undo: .*veth\w+ is called theirs now\n.*\nexit 1\nexit 0\n.*netns delete red\nexit 0\nlo\n$/,
    )
  })

  it('what others made anew under the name of a bridge keeps its address, its port, and stays up', () => {
    const output =
      after(`q bridge create cni0; q ip assign 10.22.0.1/16 cni0; q up cni0; ip link add name va type veth peer name vb; q attach va --bridge cni0
      ip link delete cni0; ip link delete va
      ip link add name cni0 type bridge; ip address add 10.22.0.1/16 dev cni0; ip link set dev cni0 up; ip link add name va type veth peer name vb; ip link set dev va master cni0
      clean; ip -o -4 address show cni0 | grep -o '10[^ ]* '; ip -o link show master cni0 | wc -l; ip -o link show cni0 up | wc -l`)
    expect(output).toMatch(/^= left alone, not ours: cni0 .*\nexit 0\n10.22.0.1\/16 \n1\n1\n$/)
  })

  it("somebody's own interface that was moved into a namespace comes back, and another of its name does not", () => {
    const output =
      after(`q netns create red; ip link add name va type veth peer name vb; q attach va --netns red --name eth0; clean; ip -br link | grep -c '^v'
      q netns create red; q attach va --netns red --name eth0; ip -n red link set dev eth0 name x; clean; ip -n red link delete x
      ip -n red link add name eth0 type bridge; clean; ip -n red -br link | cut -d' ' -f1`)
    expect(output).toMatch(/^✔ ip -n red link set dev eth0 netns 1 name va\n✔ ip netns delete red\nexit 0\n2\n/)
    expect(output).toMatch(
      /= kept, still in use: namespace red exists \(x\)\nError: .*eth0 in namespace red is called x now\n.*\nexit 1\n/,
    )
    expect(output).toMatch(/= kept, still in use: namespace red exists \(eth0\)\nexit 0\nlo\neth0\n$/)
  })
})

describe('what others rely on', () => {
  it('a bridge, and a cable, on which somebody laid an interface are kept until that is gone', () => {
    const output =
      after(`q bridge create cni0; q veth pair va vb; for i in cni0 va; do ip link add link $i name m-$i type macvlan; done
      cnilab bridge delete cni0 --host; echo "exit $?"; clean; ip -br link | grep -c m-; ip link delete m-cni0; ip link delete m-va; clean; ip -br link | cut -d' ' -f1`)
    expect(output).toMatch(/^Error: cni0 is a bridge, and this relies on it: m-cni0\n.*\nexit 1\n/)
    expect(output).toMatch(
      /kept, still in use: .*veth pair \(m-va\)\n= kept, still in use: cni0 is a bridge \(m-cni0\)\nexit 0\n2\n/,
    )
    expect(output).toMatch(/✔ ip link delete dev va\n✔ ip link delete dev cni0\nexit 0\nlo\n$/)
  })

  it('an interface to which the default route has come to go keeps its address, and stays up', () => {
    const output = after(`ip link add name eth0 type veth peer name far; ip link set dev far up
      q up eth0; q ip assign 198.51.100.2/24 eth0; ip route add default via 198.51.100.1; clean; ip route show default
      ip route delete default; clean; ip -o link show eth0 up | wc -l`)
    expect(output.match(/kept, still in use: eth0 .* \(eth0 carries the default route\)/g)).toHaveLength(2)
    expect(output).toMatch(/exit 0\ndefault via 198.51.100.1 dev eth0 \n(✔ .*\n){2}exit 0\n0\n$/)
  })
})

describe('routes and settings', () => {
  const LINK = 'ip link add name x type bridge; ip address add 10.1.0.2/24 dev x; ip link set dev x up'

  it('a route to the same place that a daemon made stays', () => {
    const output =
      after(`${LINK}; q route add 10.9.0.0/16 --via 10.1.0.1; ip route delete 10.9.0.0/16; ip route add 10.9.0.0/16 via 10.1.0.1 proto dhcp metric 100
      cnilab route delete 10.9.0.0/16 --via 10.1.0.1 --host; echo "exit $?"; clean; ip route show proto dhcp
      ip route delete 10.9.0.0/16; q route add 10.9.0.0/16 --via 10.1.0.1; ip route add 10.9.0.0/16 via 10.1.0.1 proto dhcp metric 100; clean; ip route show 10.9.0.0/16`)
    expect(output).toMatch(
      /cnilab did not make it\n.*\nexit 1\nnothing to remove\nexit 0\n10.9.0.0\/16 via 10.1.0.1 dev x metric 100 \n/,
    )
    expect(output).toMatch(
      /✔ ip route delete 10.9.0.0\/16 .*\nexit 0\n10.9.0.0\/16 via 10.1.0.1 dev x proto dhcp metric 100 \n$/,
    )
  })

  it('forwarding goes back for each interface to what it was, unless somebody changed it since', () => {
    const conf = '/proc/sys/net/ipv4/conf'
    const output =
      after(`for i in x y z; do ip link add name $i type bridge; done; echo 1 >${conf}/x/forwarding; echo 1 >${conf}/y/forwarding
      q masquerade 10.22.0.0/16; echo 0 >${conf}/x/forwarding; clean >/run/log; for i in all x y z; do cat ${conf}/$i/forwarding; done
      q masquerade 10.22.0.0/16; echo 0 >/proc/sys/net/ipv4/ip_forward; echo 1 >${conf}/z/forwarding; clean >/run/log; for i in all x y z; do cat ${conf}/$i/forwarding; done`)
    expect(output).toBe('0\n0\n1\n0\n0\n0\n0\n1\n')
  })

  it("an interface's own setting is put back on no other of its name", () => {
    const output =
      after(`q netns create red; q bridge create cni0; cnilab bridge add c red --host >/run/log; ip link delete cni0; ip link add name cni0 type bridge
      echo 0 >/proc/sys/net/ipv6/conf/cni0/accept_ra; clean >/run/log; cat /proc/sys/net/ipv6/conf/cni0/accept_ra`)
    expect(output).toBe('0\n')
  })
})
