import { isNamespace } from '../kernel/host-files.ts'
import { APP, GIVEN_FOLDER, HOST_FOLDER } from '../kernel/host.ts'
import { UPLINK } from '../state/state.ts'

/** The holder's program; its path is how a holder is recognised in /proc. */
export const HOLDER = '/run/cnilab-sandbox'

/**
 * Shell text that makes several mounts, listed in the form of fstab(5), with one `mount`, which takes as long as one of
 * them. The list has to be a file, and each user one of its own.
 */
function mountAll(file: string, list: readonly string[], options = ''): string {
  return `printf '%s\\n' "${list.join('\n')}" >/run/${file}\nmount --all ${options}--fstab /run/${file}`
}

/** How the two that make a sandbox's mounts tell each other of the process to mount for, and that it is done. */
const PIPES = { pid: '/run/cnilab-pid', mounted: '/run/cnilab-mounted' }

/** Parts of a sandbox's folder: what its programs may write, and what they may only read. The rest they never see. */
export const SHARED = 'shared'
export const GIVEN = 'given'

/** A file in the folder of a sandbox that was to outlive its maker. */
export const KEPT = 'kept'

/**
 * Waits for the sandbox to end, however that happens, and removes its folder, and the one around it if that was the last.
 * The folder of a kept one stays when somebody else ended it: whoever asks for it next is told, and removes it.
 * Arguments: the folder, then the command that makes the sandbox.
 */
export const WATCH = `umask 022 # root's programs in a sandbox are another user's
folder=$1; shift
"$@"
status=$?
[ -e "$folder/${KEPT}" ] || rm -rf "$folder"
{ exec 3<"\${folder%/*}" && flock -w 5 3 && rmdir "\${folder%/*}"; } 2>/dev/null
exit $status
`

/**
 * In a mount namespace of its own: an empty /run with the sandbox's folder and cnilab in it. The folders are opened
 * first, because /run may hide them. Arguments: folder, package, node, options of /run, then the command to go on with.
 */
export const PREPARE = `set -eu
exec 3<"$1/${SHARED}" 4<"$2" 5<"$3" 6<"$1/${GIVEN}"
options=$4; shift 4
mount -t tmpfs -o "$options" cnilab /run
mkdir ${HOST_FOLDER} ${GIVEN_FOLDER} ${APP.package} ${APP.bin}
: >${APP.node}
${mountAll(
  'cnilab-binds',
  [
    `/proc/self/fd/3 ${HOST_FOLDER} none bind`,
    `/proc/self/fd/4 ${APP.package} none bind`,
    `/proc/self/fd/5 ${APP.node} none bind`,
    `/proc/self/fd/6 ${GIVEN_FOLDER} none bind`,
  ],
  '--no-canonicalize ',
)}
exec 3<&- 4<&- 5<&- 6<&-
printf '#!/bin/sh\\nexec ${APP.node} ${APP.package}/dist/src/cnilab.js "$@"\\n' >${APP.bin}/cnilab
chmod 755 ${APP.bin}/cnilab
exec "$@"
`

/**
 * In the outer user namespace: everything read-only but the sandbox's own folders. The inner namespaces are then made
 * in one more user namespace, from which these mounts cannot be changed back (mount_namespaces(7), "Restrictions").
 * What `mount` did is read again. (Of a list it passes over `/`, but not over `/.`.)
 * Arguments: the holder's program, the one that starts it, the sandbox's name, the user's id, the folder of the user's
 * sandboxes.
 */
export const READ_ONLY = `set -eu
writable() {
  while read -r _ _ _ _ point options _; do
    case $options in rw*) ;; *) continue ;; esac
    case $point in
      /proc | /proc/* | /sys | /sys/* | /run | ${HOST_FOLDER}) continue ;;
      ${APP.package} | ${APP.node} | ${GIVEN_FOLDER}) ;;
      /run/*) continue ;;
    esac
    "$1" "$point" "\${options#rw}"
  done </proc/self/mountinfo
}
remount() {
  [ "$1" != / ] || set -- /. "$2"
  printf 'cnilab %s none remount,bind,ro%s\\n' "$1" "$2"
}
refuse() {
  point=$(printf '%b' "$1")
  [ ! -w "$point" ] || { echo "cannot make $point read-only" >&2; exit 1; }
}
${mountAll('cnilab-mounts', ['$(writable remount)'])} 2>/dev/null || :
writable refuse
${mountAll('cnilab-mounts', ['cnilab /tmp tmpfs mode=1777', 'cnilab /var/lib tmpfs mode=755'])}
printf '%s' "$1" >${HOLDER}
printf '%s\\n' 'cnilab /proc proc' 'cnilab /sys sysfs' >/run/cnilab-mounts
mkfifo ${PIPES.pid} ${PIPES.mounted}
{
  read -r pid <${PIPES.pid}
  mounted=no
  ! nsenter --target "$pid" --net --pid -- mount --all --fstab /run/cnilab-mounts || mounted=yes
  echo $mounted >${PIPES.mounted}
} &
exec unshare --user --map-root-user --net --ipc --pid --fork --kill-child -- sh -c "$2" cnilab-enter "$3" "$4" "$5"
`

/**
 * Process 1 of the sandbox, before it has mounts of its own. /proc and /sys of its network and processes are mounted
 * from the outer user namespace: what is there when the inner mounts are made cannot be taken away again, or the
 * machine's would show below. Arguments: as those of the holder.
 */
export const ENTER = `set -eu
read -r pid _ </proc/self/stat
export pid
echo "$pid" >${PIPES.pid}
read -r mounted <${PIPES.mounted}
[ "$mounted" = yes ] || exit 1
exec unshare --mount -- sh ${HOLDER} "$@"
`

/** Known settings, whatever a new namespace inherits from the machine. */
const SETTINGS = `set_to() { value=$1; shift; for file; do [ ! -e "$file" ] || echo "$value" >"$file"; done; }
cd /proc/sys/net
set_to 0 ipv4/ip_forward ipv6/conf/all/forwarding bridge/bridge-nf-call-*
set_to 1 ipv4/conf/all/accept_redirects
set_to 2 ipv4/conf/all/rp_filter ipv4/conf/default/rp_filter
cd /
`

/** The uplink, the internet beyond it, and the default route. */
const UPLINK_AND_INTERNET = `ip -batch - <<END
netns add internet
link set dev lo up
link add name ${UPLINK.ifname} type veth peer name eth0 netns internet
link set dev ${UPLINK.ifname} addrgenmode none
address add ${UPLINK.address}/${UPLINK.prefix} dev ${UPLINK.ifname}
link set dev ${UPLINK.ifname} up
route add default via ${UPLINK.gateway}
END
nsenter --net=/run/netns/internet -- ip -batch - <<END
link set dev lo up
link set dev eth0 addrgenmode none
address add ${UPLINK.gateway}/${UPLINK.prefix} dev eth0
link set dev eth0 up
END
`

/**
 * The holder: process 1 of the sandbox. It sets the starting state (known sysctls, the uplink and the internet beyond
 * it), says \`ready PID\`, and then lives as long as somebody holds the other end of its standard
 * input, or for good once \`keep\` was written into it. Processes that lost their parent are its children; the end of one
 * interrupts its reading, and is not the end of its input.
 */
export const HOLD = `set -eu
${SETTINGS}${UPLINK_AND_INTERNET}echo "ready $pid"
exec >/dev/null 2>&1
died=
trap 'died=yes' CHLD
until read -r word; do [ "$died" = yes ] || exit 0; died=; done
[ "$word" = keep ] || exit 0
mkfifo /run/cnilab-hold
exec <>/run/cnilab-hold
while :; do read -r word || :; done
`

/**
 * Puts the network of a living sandbox back to its starting state, whatever was done to it. Settings are compared with
 * those of a new namespace, which begins as the sandbox did. Processes in containers live on, in namespaces without a
 * name; those of the internet end.
 */
export const RESTORE = `set -u
! ${isNamespace('/run/netns/internet')} || ip netns pids internet 2>/dev/null | xargs -r kill -KILL 2>/dev/null
for file in /run/netns/* /run/netns/.[!.]*; do
  while umount "$file" 2>/dev/null; do :; done
  rm -rf --one-file-system "$file"
done
for link in $(ip -o link show | cut -d: -f2 | cut -d@ -f1); do
  [ "$link" = lo ] || ip link delete dev "$link" 2>/dev/null
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
