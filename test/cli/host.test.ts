import { expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'

const dump =
  'ip -br link; ip netns; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/conf/all/accept_redirects'

it('--host builds on the machine itself, and clean --host undoes all of it', () => {
  const output = onMachine(`
    dump() { ${dump}; }
    dump >/run/before
    for step in 'netns create red' 'bridge create cni0' 'veth pair a b' 'attach a --netns red --name eth0' 'attach b --bridge cni0' \
      'ip assign 10.22.0.2/16 eth0 --netns red' 'ip assign 10.22.0.1/16 cni0' 'up b cni0' 'up lo eth0 --netns red' \
      'route add default --via 10.22.0.1 --netns red' 'masquerade 10.22.0.0/16'; do cnilab $step --host >/dev/null || echo "failed: $step"; done
    ip netns exec red ping -c1 -W2 10.22.0.1 >/dev/null || echo no answer
    ip -d link show cni0 | grep -o 'made by cnilab'
    cnilab clean --host >/dev/null || echo not clean
    dump >/run/after; diff /run/before /run/after && echo as before
    ls /run`)
  expect(output).toBe('made by cnilab\nas before\nafter\nbefore\nnetns\n')
})

it('--host touches nothing of anybody else', () => {
  const output = onMachine(`
    ip link add name docker0 type bridge; ip netns add theirs
    cnilab bridge create docker0 --host; echo $?; cnilab bridge delete docker0 --host; echo $?
    cnilab netns create theirs --host; echo $?; cnilab netns delete theirs --host; echo $?
    cnilab clean --host; ip -br link show docker0 | cut -d' ' -f1; ip netns`)
  expect(output.split('\n').filter((line) => line === '1')).toHaveLength(4)
  expect(output).toContain("it looks like Docker's")
  expect(output).toMatch(/nothing to remove\ndocker0\ntheirs\n$/)
})

it('--host leaves what others made anew under a name of ours', () => {
  const output = onMachine(`
    for step in 'bridge create cni0' 'ip assign 10.22.0.1/16 cni0' 'up cni0' 'bridge delete cni0' 'netns create red'; do cnilab $step --host >/dev/null; done
    ip link add name cni0 type bridge; ip address add 10.22.0.1/16 dev cni0; ip link set dev cni0 up
    ip netns delete red; ip netns add red
    cnilab clean --host; ip -br link show cni0 | cut -d' ' -f1; ip -br address show cni0 | grep -o 10.22.0.1/16; ip -o link show cni0 up | wc -l; ip netns`)
  expect(output).toBe('= left alone, not ours: namespace red (cnilab did not make it)\ncni0\n10.22.0.1/16\n1\nred\n')
})

it('--host leaves a namespace that was made long after an intent', () => {
  const output = onMachine(`
    mkdir -m 700 /run/cnilab; boot=$(cat /proc/sys/kernel/random/boot_id)
    printf '%s\\n' '{"boot":"'$boot'"}' '{"intent":"a","operation":{"kind":"netns","params":{"name":"red"}},"before":{"intended":1000}}' >/run/cnilab/journal.jsonl
    ip netns add red; cnilab clean --host; ip netns`)
  expect(output).toBe('= left alone, not ours: namespace red (cnilab did not make it)\nred\n')
})

it('--host tears a lab down although nobody reads what it prints', () => {
  const output = onMachine(
    `ip link set dev lo up; cnilab lab run --host --auto 2>/dev/null | head -3 >/dev/null; sleep 1; ip -br link | cut -d' ' -f1; ip netns; ls /run`,
  )
  expect(output).toBe('lo\nnetns\n')
})

it('--host keeps a forwarding that was on, and each interface with its own', () => {
  const output = onMachine(`
    ip link add name x type bridge; echo 1 >/proc/sys/net/ipv4/conf/x/forwarding
    cnilab masquerade 10.22.0.0/16 --host >/dev/null; cat /proc/sys/net/ipv4/ip_forward
    cnilab masquerade 10.22.0.0/16 --delete --host >/dev/null
    cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/net/ipv4/conf/x/forwarding`)
  expect(output).toBe('1\n0\n0\n1\n')
})

it('--host does not give the interface away by which the machine leaves', () => {
  const output = onMachine(`
    ip link add name eth0 type veth peer name far; ip address add 198.51.100.2/24 dev eth0; ip link set dev eth0 up; ip link set dev far up
    ip route add default via 198.51.100.1; cnilab bridge create br0 --host >/dev/null; cnilab netns create red --host >/dev/null
    for place in '--bridge br0' '--netns red'; do cnilab attach eth0 $place --host; echo $?; done; ip -br address show eth0 | grep -o 198.*; ip route show default`)
  expect(output.match(/eth0 carries the default route, and this machine would be cut off/g)).toHaveLength(2)
  expect(output).toMatch(/\n1\n198.51.100.2\/24 .*\ndefault via 198.51.100.1 dev eth0 \n$/)
})

it('a file in /run/netns that is no namespace is told from one, and is not taken for one that is there', () => {
  const output = onMachine(
    `touch /run/netns/gone; cnilab netns create gone --host; echo $?; rm /run/netns/gone; cnilab netns create gone --host | head -1`,
  )
  expect(output).toMatch(
    /^Error: .*is not a namespace\n.*\n.*\n.*-- rm -d \/run\/netns\/gone, or .*\n1\n✔ Create the network namespace gone\n$/,
  )
})

it('a lab on the machine ends with lab stop, and with clean', () => {
  const output = onMachine(`export XDG_STATE_HOME=/run/state; for stop in 'lab stop' clean; do
    cnilab lab start two-namespaces --host >/dev/null; echo $?; cnilab $stop --host >/dev/null; echo $?; cnilab lab status --host 2>/dev/null; echo $?; done`)
  expect(output).toBe('0\n0\n1\n0\n0\n1\n')
})

it('what is missing is looked for in all namespaces before it is said that there is none', () => {
  const output =
    onMachine(`q() { cnilab "$@" --host; echo "exit $?"; }; ip netns add red; ip netns add blue; ip -n red link add name x type bridge; ip link add name y type bridge
    q up x; q up y --netns blue; q macvlan delete x; q up z; ip -n blue link add name x type bridge; q up x`)
  const lines = output.split('\n').filter((line) => !line.includes('Does not exist'))
  expect(lines).toEqual([
    'Error: Bring x up: there is no interface x; there is one in namespace red',
    expect.stringContaining('add --netns red for that one'),
    'exit 1',
    'Error: Bring y in namespace blue up: there is no interface y in namespace blue; there is one on the host',
    expect.stringContaining('leave out --netns for that one'),
    'exit 1',
    'there is one in namespace red: add --netns red for that one',
    'exit 0',
    'Error: Bring z up: there is no interface z',
    expect.any(String),
    'exit 1',
    expect.stringContaining('there is one in namespace blue, in namespace red'),
    expect.any(String),
    'exit 1',
    '',
  ])
})

it('a file that is no namespace is named by whatever needs one', () => {
  const output = onMachine(`touch /run/netns/gone; ip link add name x type bridge
    for act in 'attach x --netns gone' 'up lo --netns gone' 'netns create gone'; do cnilab $act --host | head -1; done`)
  expect(output.match(/^Error: .*the file \/run\/netns\/gone is not a namespace$/gm)).toHaveLength(3)
})
