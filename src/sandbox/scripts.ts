import { isNamespace } from '../kernel/host-files.ts'
import { type Command, ip } from '../operations/operation.ts'
import { foreseeFresh } from '../plan/foresee.ts'
import { INTERNET, type State, UPLINK } from '../state/state.ts'
import { HOLDER, MASKS, PARTS } from './root.ts'

/** The name, in argv, of the process that starts process 1: outside it is unshare(1), the parent of process 1. */
export const OUTSIDE = 'cnilab-enter'

/** A file in the directory of a sandbox that outlives its maker. */
export const KEPT = 'kept'

/**
 * Creates the sandbox's directory, waits for word that it is filled, and then for the sandbox to end, however that happens.
 * Then it removes the directory, and its parent if that is empty. The directory of a kept sandbox stays if somebody else ended
 * it: the next command for it reports that, and removes it. Arguments: the directory, then the command that makes the sandbox.
 *
 * Its standard input is the lifeline: when the other end closes, and nobody has written \`keep\` into it, this process ends the
 * sandbox. Nothing inside can reach this process or the lifeline, whereas programs inside can control process 1. Killing
 * process 1 ends everything, and unshare(1), its parent, waits for it.
 */
export const WATCH = `folder=$1; shift
status=1
umask 077
mkdir -p "$folder" || mkdir -p "$folder" || exit # the last of the others may remove the one around it in this moment
trap '' PIPE # its maker may have died: then nobody else would remove the folder
if echo made && read -r word && [ "$word" = begin ]; then
  trap - PIPE
  exec 5<&0
  "$@" </dev/null 5<&- &
  sandbox=$!
  {
    read -r word && [ "$word" = keep ] || {
      read -r first <"/proc/$sandbox/task/$sandbox/children"
      kill -KILL \${first:-"$sandbox"}
    }
  } <&5 3<&- 4<&- 2>/dev/null &
  lifeline=$!
  exec 3<&- 4<&- 5<&-
  wait "$sandbox"
  status=$?
  kill "$lifeline" 2>/dev/null
  trap '' PIPE
fi
echo ended # its maker holds the lock that is waited for below
[ -e "$folder/${KEPT}" ] || rm -rf "$folder"
{ exec 4<"\${folder%/*}" && flock -w 5 4 && rmdir "\${folder%/*}"; } 2>/dev/null
exit $status
`

/**
 * Makes all mounts of this namespace read-only except for those that belong only to the sandbox, and fails if one cannot be. It
 * reads the mounts again to verify. (A remount must repeat locked options.)
 */
const READ_ONLY = `machines() {
  while read -r _ _ _ _ point options _; do
    case $point in / | /old* | /proc | /proc/* | /sys | /sys/* | /dev/pts) continue ;; esac
    case $options in ro*) continue ;; esac
    "$1" "$point" "\${options#rw}"
  done </proc/self/mountinfo
}
remount() { printf 'cnilab %s none remount,bind,ro%s\n' "$1" "$2"; }
refuse() { echo "cannot make $1 read-only" >&2; exit 1; }
machines remount >/opt/cnilab/remounts
mount --all --fstab /opt/cnilab/remounts 2>/dev/null || :
machines refuse
rm /opt/cnilab/remounts
`

/**
 * In its own mount namespace: builds the sandbox's root and switches to it, after which nothing else of the machine is
 * visible. /proc and /sys stay until there are fresh ones. Arguments: the sandbox's directory, the options of its file system,
 * then the command to continue with.
 */
export const PREPARE = `set -eu
root=$1/${PARTS.root}
mount -t tmpfs -o "$2" cnilab "$root"
cp -a "$1/${PARTS.skeleton}/." "$root"
mount --all --fstab "$1/${PARTS.mounts}"
for folder in "$root"/opt/cnilab/bound/*/folder; do [ ! -d "$folder" ] || umount -l "$folder"; done
shift 2
cd "$root"
pivot_root . old
cd /
unset OLDPWD
umount -l /old
rmdir /old
${READ_ONLY}exec "$@"
`

/**
 * In the outer user namespace: starts process 1 of the inner namespaces. Those belong to a second user namespace, from which
 * these mounts cannot be undone (mount_namespaces(7), "Restrictions on mount namespaces"). Then it mounts their /proc and /sys
 * from out here: programs inside could unmount their own, and find the machine's below. A cgroup namespace would let programs
 * inside freeze or kill everything in this process's cgroup. It waits at descriptor 3 for the maker of the sandbox, and so not
 * for ever. Arguments: the limit of processes, what starts process 1, the sandbox's name, then what \`findLostHolders\` looks
 * for: the user's id and the sandbox's directory.
 */
export const OUTER = `set -eu
echo 0 >/proc/sys/user/max_cgroup_namespaces
{
  read -r pid <&3 || exit
  trap 'echo refused || kill -KILL $$' EXIT # whatever goes wrong, such as no more processes
  nsenter --target "$pid" --net --pid -- mount --all --fstab ${MASKS}
  echo mounted
  trap - EXIT
} &
exec prlimit --nproc="$1" \\
  unshare --user --map-root-user --net --ipc --pid --fork --kill-child -- sh -c "$2" ${OUTSIDE} "$3" "$4" "$5" 3<&-
`

/**
 * Process 1 of the sandbox, before it has its own mounts: prints its pid, and waits at descriptor 4 until /proc and /sys are
 * mounted. It takes its own session: from WATCH's session, it could signal WATCH. Argument: the sandbox's name.
 */
export const ENTER = `set -eu
read -r pid _ </proc/self/stat
echo "pid $pid"
read -r mounted <&4
[ "$mounted" = mounted ] || exit 1
exec setsid unshare --mount -- sh ${HOLDER} "$1" 4<&-
`

/** Sets known values, whatever a new namespace inherits from the machine. */
const SETTINGS = `set_to() { value=$1; shift; for file; do [ ! -e "$file" ] || echo "$value" >"$file"; done; }
cd /proc/sys/net
set_to 0 ipv4/ip_forward ipv6/conf/all/forwarding bridge/bridge-nf-call-*
set_to 1 ipv4/conf/all/accept_redirects
set_to 2 ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter
cd /
`

const { ifname, address, gateway, prefix } = UPLINK

/** Makes the uplink, the internet beyond it, and the default route. */
const STARTING_NETWORK: readonly Command[] = [
  ip(undefined, 'netns', 'add', INTERNET),
  ip(undefined, 'link', 'set', 'dev', 'lo', 'up'),
  ip(undefined, 'link', 'add', 'name', ifname, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', INTERNET),
  ip(undefined, 'link', 'set', 'dev', ifname, 'addrgenmode', 'none'),
  ip(undefined, 'address', 'add', `${address}/${prefix}`, 'dev', ifname),
  ip(undefined, 'link', 'set', 'dev', ifname, 'up'),
  ip(undefined, 'route', 'add', 'default', 'via', gateway, 'dev', ifname),
  ip(INTERNET, 'link', 'set', 'dev', 'lo', 'up'),
  ip(INTERNET, 'link', 'set', 'dev', 'eth0', 'addrgenmode', 'none'),
  ip(INTERNET, 'address', 'add', `${gateway}/${prefix}`, 'dev', 'eth0'),
  ip(INTERNET, 'link', 'set', 'dev', 'eth0', 'up'),
]

/** The network of a sandbox that has just been made, as far as it matters to what is done there. */
export function freshNetwork(): State {
  return foreseeFresh(STARTING_NETWORK)
}

const linesIn = (netns: string | undefined) =>
  STARTING_NETWORK.flatMap((command) => (command.netns === netns ? `${command.argv.join(' ')}\n` : [])).join('')

const UPLINK_AND_INTERNET = `ip -batch - <<END
${linesIn(undefined)}END
nsenter --net=/run/netns/${INTERNET} -- ip -batch - <<END
${linesIn(INTERNET)}END
`

/**
 * The holder: process 1 of the sandbox. It sets the starting state (known sysctls, the uplink and the internet beyond
 * it), prints \`ready\`, and then lives until it is killed. It adopts processes that lost their parent; the end of one
 * interrupts its read.
 */
export const HOLD = `set -eu
${SETTINGS}${UPLINK_AND_INTERNET}mkfifo /opt/cnilab/wait
exec <>/opt/cnilab/wait
echo ready
exec >/dev/null 2>&1
trap : CHLD
while :; do read -r word || :; done
`

/**
 * Puts the network of a living sandbox back to its starting state, whatever was done to it. It compares settings with those of
 * a new namespace, which starts as the sandbox did. Processes in containers live on, in namespaces without a name; those of
 * the internet end.
 */
export const RESTORE = `set -u
! ${isNamespace('/run/netns/internet')} || ip netns pids internet 2>/dev/null | xargs -r kill -KILL 2>/dev/null
for file in /run/netns/* /run/netns/.[!.]* /run/netns/..?*; do
  while umount "$file" 2>/dev/null; do :; done
  rm -rf --one-file-system "$file"
done
for link in /sys/class/net/*; do
  [ "\${link##*/}" = lo ] || ip link delete dev "\${link##*/}" 2>/dev/null
done
ip link set dev lo down
ip link set dev lo mtu 65536 promisc off allmulticast off alias ''
tc qdisc delete dev lo root 2>/dev/null
tc qdisc delete dev lo ingress 2>/dev/null
ip address flush dev lo
ip route flush table all 2>/dev/null
ip nexthop flush 2>/dev/null
ip xfrm policy flush 2>/dev/null
ip xfrm state flush 2>/dev/null
ip addrlabel flush 2>/dev/null
unshare --net -- ip addrlabel | while read -r label; do ip addrlabel add $label; done
for family in -4 -6; do
  ip $family rule flush
  ip $family rule list pref 0 | grep -q . || ip $family rule add pref 0 lookup local
  ip $family rule add pref 32766 lookup main
done
ip -4 rule add pref 32767 lookup default
for tool in iptables-legacy ip6tables-legacy; do
  command -v $tool >/dev/null || continue
  for table in raw mangle nat filter security; do
    for act in -F -X; do $tool -t $table $act 2>/dev/null; done
    for chain in PREROUTING INPUT FORWARD OUTPUT POSTROUTING; do $tool -t $table -P $chain ACCEPT 2>/dev/null; done
  done
done
! command -v nft >/dev/null || nft flush ruleset
list() { sysctl -a --pattern '^net\\.' 2>/dev/null | sort; }
list >/run/cnilab-settings
unshare --net -- sh -c '${SETTINGS}list() { sysctl -a --pattern "^net[.]" 2>/dev/null | sort; }; list' |
  comm -13 /run/cnilab-settings - >/run/cnilab-new-settings
sysctl -e -q -p /run/cnilab-new-settings 2>/dev/null
rm -f /run/cnilab-settings /run/cnilab-new-settings
set -e
${SETTINGS}${UPLINK_AND_INTERNET}`
