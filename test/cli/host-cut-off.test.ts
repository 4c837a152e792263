// Nothing that is done on the machine cuts it off from the network, or from whoever sits at a terminal, without a word.
import { describe, expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'

/** A machine with an uplink, at the other end of which are 198.51.100.1 and 198.51.100.9; a bridge and a namespace of somebody's. */
const MACHINE = `ip link set dev lo up; unshare -n sleep 60 & far=$!; trap 'kill $far' EXIT; sleep 0.2
  ip link add name eth0 type veth peer name e0 netns $far; ip address add 198.51.100.2/24 dev eth0; ip link set dev eth0 up
  nsenter -t $far -n sh -c 'ip address add 198.51.100.1/24 dev e0; ip address add 198.51.100.9/24 dev e0; ip link set dev e0 up'
  ip link add name theirs type bridge; ip address add 10.1.0.1/24 dev theirs; ip link set dev theirs up; ip netns add red
  look() { ip -o link | grep -o ' [^ ]*: <\\|master [^ ]*'; ip -o link show up | wc -l; ip -o -4 address; ip route | sed 's/ linkdown//'; }
  reaches() { ping -c4 -i0.3 -W1 198.51.100.9 >/dev/null && echo reached || echo cut; }; q() { cnilab "$@" --host >/dev/null || echo "failed: $*"; }`
const DEFAULT = 'ip route add default via 198.51.100.1'
const SSH = 'export SSH_CONNECTION="198.51.100.9 50000 198.51.100.2 22"'

/** Tries to do things on such a machine. Returns for each why it was refused, and then what became of the machine. */
function tried(before: string, acts: readonly string[]): string[] {
  const tries = acts.map((act) => `cnilab ${act} --host; echo "exit $?"`).join('; ')
  const output = onMachine(
    `${MACHINE}; ${before}; look >/run/before; ${tries}; look | diff /run/before - && echo as before; reaches`,
  )
  return output
    .replaceAll(/^Error: .*: (.*), and this machine would be cut off\n.* --force .*\nexit 1$/gm, '$1')
    .trimEnd()
    .split('\n')
}

describe('refused without --force is', () => {
  it('what takes the interface of the default route', () => {
    const why = 'eth0 carries the default route'
    expect(
      tried(DEFAULT, [
        'attach eth0 --bridge theirs',
        'attach eth0 --netns red --name x',
        'macvlan create m --parent eth0 --mode passthru',
      ]),
    ).toEqual([why, why, why, 'as before', 'reached'])
  })

  it("what takes the way to the user's terminal", () => {
    const why = 'eth0 carries the way to your terminal at 198.51.100.9'
    expect(
      tried(SSH, [
        'attach eth0 --bridge theirs',
        'ip assign 198.51.100.9/32 theirs',
        'ip assign 198.51.100.14/29 theirs',
        'route add 198.51.100.8/30 --via 10.1.0.2',
      ]),
    ).toEqual([why, why, why, why, 'as before', 'reached'])
  })

  it('the same where sudo has taken away the variable that tells of it', () => {
    const sudo = `${SSH}; cnilab() { sh -c 'unset SSH_CONNECTION; '"$CNILAB"' "$@"; exit $?' sh "$@"; }`
    const why = 'eth0 carries the way to your terminal at 198.51.100.9'
    expect(tried(sudo, ['attach eth0 --bridge theirs'])).toEqual([why, 'as before', 'reached'])
  })

  it('what takes a port of the bridge that the machine is on', () => {
    const moved =
      'ip link set dev eth0 master theirs; ip address delete 198.51.100.2/24 dev eth0; ip address add 198.51.100.2/24 dev theirs'
    expect(tried(`${moved}; ${DEFAULT}`, ['attach eth0 --netns red'])).toEqual([
      'theirs carries the default route',
      'as before',
      'reached',
    ])
  })
})

describe('refused is to take back what is ours, and what the machine has come to be reached by:', () => {
  it('an address, a route, an interface that was brought up', () => {
    const ours = `ip address delete 198.51.100.2/24 dev eth0; ip link set dev eth0 down; q up eth0; q ip assign 198.51.100.2/24 eth0; ${DEFAULT}
      q route add 203.0.113.0/24 --via 198.51.100.9; export SSH_CONNECTION="203.0.113.7 50000 198.51.100.2 22"`
    expect(
      tried(ours, [
        'up eth0 --undo',
        'ip assign 198.51.100.2/24 eth0 --undo',
        'route delete 203.0.113.0/24 --via 198.51.100.9',
      ]),
    ).toEqual([
      'eth0 carries the default route',
      'eth0 carries the default route',
      'eth0 carries the way to your terminal at 203.0.113.7',
      'as before',
      'reached',
    ])
  })

  it('a bridge, and its port', () => {
    const ours = `q bridge create br0; q attach eth0 --bridge br0; ip address delete 198.51.100.2/24 dev eth0; ip address add 198.51.100.2/24 dev br0; ip link set dev br0 up; ${SSH}`
    const why = 'br0 carries the way to your terminal at 198.51.100.9'
    expect(tried(ours, ['attach eth0 --bridge br0 --undo', 'bridge delete br0'])).toEqual([
      why,
      why,
      'as before',
      'reached',
    ])
  })

  it('a cable, and the namespace at its other end', () => {
    const ours = `ip link delete eth0; q netns create blue; q veth pair up0 x; q attach x --netns blue
      ip -n blue address add 198.51.100.9/24 dev x; ip -n blue link set dev x up; ip address add 198.51.100.2/24 dev up0; ip link set dev up0 up; ip route add default via 198.51.100.9`
    const why = 'up0 carries the default route'
    expect(tried(ours, ['veth delete up0', 'netns delete blue'])).toEqual([why, why, 'as before', 'reached'])
  })
})

it('what leaves all of that in place needs no --force', () => {
  const output = onMachine(`${MACHINE}; ${DEFAULT}; ${SSH}
    for act in 'bridge create cni0' 'veth pair a b' 'attach a --netns red --name eth0' 'attach b --bridge cni0' 'ip assign 10.22.0.1/16 cni0' \\
      'ip assign 198.51.100.77/24 eth0' 'up b cni0 eth0' 'masquerade 10.22.0.0/16' 'masquerade fd00::/64' 'macvlan create m --parent eth0' \\
      'ip assign 198.51.100.77/24 eth0 --undo' 'attach b --bridge cni0 --undo' 'veth delete b' 'macvlan delete m'; do q $act; done
    q clean; reaches; ls /run`)
  expect(output).toBe('reached\nnetns\n')
})

describe('clean --host', () => {
  it('keeps what the machine has come to be reached by, says so, and undoes it with --force', () => {
    const output = onMachine(`${MACHINE}; q bridge create br0; q ip assign 198.51.100.3/24 br0
      q attach eth0 --bridge br0; ip address delete 198.51.100.2/24 dev eth0; ip link set dev br0 up; ${DEFAULT}; reaches
      cnilab clean --host; echo "exit $?"; reaches; q clean --force; ip -br link show br0; ls /run`)
    expect(output.match(/^= kept, still in use: .* \(.*br0 carries the default route\)$/gm)).toHaveLength(3)
    expect(output).toMatch(/^reached\n[^]*exit 0\nreached\nDevice "br0" does not exist.\nnetns\n$/)
  })

  it('takes the uplink out of a bridge again, and a default route of ours away', () => {
    const output =
      onMachine(`${MACHINE}; look >/run/before; q route add default --via 198.51.100.1; q attach eth0 --bridge theirs --force; reaches
      q clean; reaches; look | diff /run/before - && echo as before`)
    expect(output).toBe('cut\nreached\nas before\n')
  })
})

it('no remedy proposes it', () => {
  const output =
    onMachine(`${MACHINE}; ip link set dev eth0 master theirs; ip address delete 198.51.100.2/24 dev eth0; ip address add 198.51.100.2/24 dev theirs; ip address delete 10.1.0.1/24 dev theirs; ${DEFAULT}
    echo '{"cniVersion":"1.0.0","name":"n","type":"bridge","bridge":"theirs","isGateway":true,"ipam":{"type":"host-local","subnet":"10.5.0.0/24"}}' >/run/n.conf
    cnilab cni add n red --conf-dir /run --host; reaches; ip -o -4 address show dev theirs | grep -o 198.*/24`)
  expect(output).toContain('this machine is reached through that address: name another "bridge"')
  expect(output).not.toContain('ip address delete')
  expect(output).toMatch(/reached\n198.51.100.2\/24\n$/)
})
