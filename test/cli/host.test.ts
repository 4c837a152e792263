import { expect, it } from 'vitest'
import { onEmptyMachine, program } from '../helpers.ts'

/** Runs a script in namespaces of its own that play the machine; `cnilab` is a function in it, and what it says on stderr counts as output. */
function onMachine(script: string): string {
  const cnilab = `cnilab() { NO_COLOR=1 "${process.execPath}" "${program}" "$@"; }`
  return onEmptyMachine(`exec 2>&1; mkdir /run/netns; ${cnilab}; ${script}`).stdout
}

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

it('--host keeps a forwarding that was on, and each interface with its own', () => {
  const output = onMachine(`
    ip link add name x type bridge; echo 1 >/proc/sys/net/ipv4/conf/x/forwarding
    cnilab masquerade 10.22.0.0/16 --host >/dev/null; cat /proc/sys/net/ipv4/ip_forward
    cnilab masquerade 10.22.0.0/16 --delete --host >/dev/null
    cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/lo/forwarding /proc/sys/net/ipv4/conf/x/forwarding`)
  expect(output).toBe('1\n0\n0\n1\n')
})
