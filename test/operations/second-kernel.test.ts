import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const uml = '/usr/bin/linux.uml'

/** Process 1 of the second kernel: nothing of the machine's files can be written there. */
const INIT = `#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/run
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs t /run; mount -t tmpfs t /var/lib
mkdir -p /run/netns /run/m/lib/modules; ln -s /usr/lib/uml/modules/* /run/m/lib/modules
for module in dummy 8021q ipvlan bridge veth macvlan nf_tables; do modprobe -d /run/m $module; done
ip link set dev lo up
cd ${import.meta.dirname} && ${process.execPath} second-kernel-run.ts
echo END
echo o >/proc/sysrq-trigger
sleep 10
`

it.skipIf(!existsSync(uml))(
  'what this kernel may lack holds on a second one (needs user-mode-linux and kmod)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'cnilab-kernel-'))
    try {
      const init = join(folder, 'init')
      writeFileSync(init, INIT, { mode: 0o755 })
      const words = ['mem=1G', 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', `init=${init}`]
      const { stdout } = spawnSync(uml, [...words, 'con=null', 'con0=fd:0,fd:1', 'quiet'], {
        encoding: 'utf8',
        input: '',
        timeout: 300_000,
        env: { ...process.env, TMPDIR: folder, HOME: folder },
      })
      const rows = [...stdout.matchAll(/^ROW (.*?)\r?$/gm)].map(([, json = '']): unknown => JSON.parse(json))
      expect(stdout).toContain('END')
      expect(rows.length).toBeGreaterThan(7)
      expect(rows.filter((row) => !JSON.stringify(row).includes(`"said":[]`))).toEqual([])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  },
  320_000,
)
