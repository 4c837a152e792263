import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { onEmptyMachine } from '../../helpers.ts'

const COMPILED = join(import.meta.dirname, '../../../dist/compiled/bridge')

const CONFIG = {
  cniVersion: '1.1.0',
  name: 'net',
  type: 'bridge',
  isGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', subnet: '10.22.0.0/16', routes: [{ dst: '0.0.0.0/0' }] },
}

/** A root directory with nothing in it but the plugins, the C library's files, and what the kernel shows. */
const ROOT = `root=/run/root; mkdir -p $root/bin $root/lib64 $root/proc $root/sys $root/run $root/var/lib /run/node/netns
for file in $(ldd ${COMPILED} | grep -o '/[^ )]*'); do mkdir -p "$root$(dirname "$file")"; cp -L "$file" "$root$file"; done
for name in bridge host-local; do : >$root/bin/$name; mount --bind ${COMPILED} $root/bin/$name; done
mount --rbind /proc $root/proc; mount --rbind /sys $root/sys
mkdir -p /run/netns; ip netns add red; mount --rbind /run/netns /run/node/netns; mount --rbind /run/node $root/run`

/** Calls the plugin in that root, with CNI's variables and nothing else. */
const call = (command: string) =>
  `chroot=$(command -v chroot); env -i CNI_COMMAND=${command} CNI_PATH=/bin CNI_CONTAINERID=web CNI_IFNAME=eth0 CNI_NETNS=/run/netns/red $chroot $root /bin/bridge`

it.skipIf(!existsSync(COMPILED))('works on a node that has nothing but the plugins and the C library', () => {
  const { stdout } = onEmptyMachine(
    `set -e; ${ROOT}
    cat >/run/config; result=$(${call('ADD')} </run/config | tr -d '\\n'); echo "$result"
    sed "s|}$|,\\"prevResult\\":$result}|" /run/config >/run/with
    ${call('CHECK')} </run/with; echo "checked $?"
    ip -n red -4 -br address; ip -n red route; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward
    ${call('DEL')} </run/with; echo "deleted $?"
    ip -n red -br link; nft list ruleset; find $root/var/lib/cni/networks -type f`,
    JSON.stringify(CONFIG),
  )
  expect(stdout).toMatch(/"address": "10\.22\.0\.2\/16"/)
  expect(stdout).toMatch(/checked 0\neth0.* 10\.22\.0\.2\/16 *\ndefault via 10\.22\.0\.1 dev eth0/)
  expect(stdout).toContain('masquerade comment "made by cnilab"')
  // Nothing but the store's own files: no address, no rule, no cable.
  expect(stdout).toMatch(/\n1\ndeleted 0\nlo .*\n(\S*\/(\.by-attachment|last_reserved_ip\.0|lock)\n){3}$/)
})
