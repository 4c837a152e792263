import { expect, it } from 'vitest'
import { onMachine } from '../helpers.ts'
import { isLong, some } from '../long.ts'

/** Not every one of them, where there is little time. */
const STEP = isLong ? 1 : 20

/**
 * Kills a command on the machine at the n-th program that it starts, for every n, and repeats or undoes it each time. The
 * programs are found in a folder of their own first, where each counts, and kills whoever started it: before the program
 * does its work, or while it goes on and does it.
 */
const COUNTED = `
mkdir /run/counted
for program in ip nft bridge sysctl nsenter xargs flock sh cat mktemp mv rm mkdir sync grep find; do
  {
    echo '#!/bin/sh'
    echo 'read n </run/n; n=$((n + 1)); echo $n >/run/n; read at </run/at'
    echo '[ $n != $at ] || { read pid </run/victim; kill -KILL $pid; '"$then"'; }'
    echo "exec $(command -v $program) \\"\\$@\\""
  } >/run/counted/$program
  chmod +x /run/counted/$program
done
# Runs cnilab, which dies at the program of a number.
dying() {
  echo 0 >/run/n; echo $1 >/run/at; shift
  (exec >/run/said 2>&1; PATH=/run/counted:$PATH /bin/sh -c 'echo $$ >/run/victim; exec "$@"' sh $CNILAB "$@"; exit $?)
}
dump() {
  ip -o link | cut -d: -f2; ip -o -4 address; nft list ruleset; ls /run/netns; ip -n red -o link | cut -d: -f2
  cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv4/conf/all/accept_redirects
  mkdir -p /var/lib/cni; find /var/lib/cni -type f ! -name lock ! -name '.by-*' ! -name 'last_*'; ls -d /run/cnilab* /tmp/cnilab-batch* 2>/dev/null
}
# Compares with what there was before, after the kill at $n.
compare() { dump >/run/after; diff /run/before /run/after >/run/differs || { echo "after $n: $(cat /run/differs)"; exit; }; }
`

/** What went wrong, how often it was killed, and how many batches were left at some time. */
function killed(
  then: 'exit 1' | ':',
  before: string,
  each: string,
  step = STEP,
): { wrong: string; kills: number; batches: number } {
  const output = onMachine(`then='${then}'; ${COUNTED}
    ${before}; dump >/run/before; : >/run/batches
    n=1; status=137; while [ $status = 137 ]; do ${each}; n=$((n + ${step})); done; echo "kills $((n - ${step})) $(sort -u /run/batches | wc -l)"`)
  const [end, kills, batches] = /kills (\d+) (\d+)\n$/.exec(output) ?? []
  return { wrong: output.replace(end ?? '', ''), kills: Number(kills), batches: Number(batches) }
}

// The store of addresses is made once, and stays.
const ONE_NAMESPACE =
  'cnilab netns create red --host >/run/said; cnilab bridge add c red --host >/run/said; cnilab bridge del c red --host >/run/said'
const FINISH = 'cnilab bridge del c red --host >/run/said 2>&1 || cat /run/said; compare'

it.each(some(['exit 1', ':'] as const, 2))(
  'bridge del that was killed finishes the job when it is repeated (the program then: %s)',
  (then) => {
    const each = `cnilab bridge add c red --host >/run/said || cat /run/said; dying $n bridge del c red --host; status=$?; ${FINISH}`
    const { wrong, kills } = killed(then, ONE_NAMESPACE, each)
    expect(wrong).toBe('')
    expect(kills).toBeGreaterThan(isLong ? 25 : 20)
  },
  300_000,
)

it('bridge del takes away what a bridge add left that was killed', () => {
  const { wrong, kills } = killed(':', ONE_NAMESPACE, `dying $n bridge add c red --host; status=$?; ${FINISH}`)
  expect(wrong).toBe('')
  expect(kills).toBeGreaterThan(isLong ? 25 : 20)
}, 300_000)

it('batches of a command that was killed go with the next one that changes the machine, and no others do', () => {
  const { wrong, kills, batches } = killed(
    ':',
    `for i in 1 2 3 4 5; do cnilab netns create n$i --host >/run/said; done; mkdir /run/cnilab-batch-mine /run/cnilab-batch-1-1-1-abcdef; ip netns add red`,
    `dying $n netns list --host; status=$?; ls -d /run/cnilab-batch-* >>/run/batches; cnilab netns create x --host >/run/said; cnilab netns delete x --host >/run/said; compare`,
    1,
  )
  expect(wrong).toBe('')
  expect(kills).toBeGreaterThan(3)
  expect(batches).toBeGreaterThan(2) // two were there before
}, 300_000)
