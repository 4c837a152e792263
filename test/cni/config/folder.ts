import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll } from 'vitest'

const made: string[] = []

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

/** A folder with these files, whose names may hold folders; what is not text is written as JSON. Gone after the tests. */
export function folderWith(files: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'cnilab-inspect-'))
  made.push(folder)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

/** A folder of executables, each a shell script. */
export function programsIn(scripts: Readonly<Record<string, string>>): string {
  const shell = Object.entries(scripts).map(([name, script]) => [name, `#!/bin/sh\n${script}\n`] as const)
  const folder = folderWith(Object.fromEntries(shell))
  for (const name of Object.keys(scripts)) chmodSync(join(folder, name), 0o755)
  return folder
}

/** A script that answers VERSION as a plugin that speaks these versions does. */
export function speaking(...versions: readonly string[]): string {
  const answer = JSON.stringify({ cniVersion: '1.1.0', supportedVersions: versions })
  return `if [ "$CNI_COMMAND" = VERSION ]; then echo '${answer}'; else echo 'CNI it plugin v1.2.3' >&2; fi`
}

/** The last chapter of the seed: /etc/cni/net.d/10-bridge.conf. */
export const seed = {
  cniVersion: '0.2.0',
  name: 'mynet',
  type: 'bridge',
  bridge: 'cni0',
  isGateway: true,
  ipMasq: true,
  ipam: { type: 'host-local', subnet: '10.22.0.0/16', routes: [{ dst: '0.0.0.0/0' }] },
}
