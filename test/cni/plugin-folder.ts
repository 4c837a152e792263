import { copyFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { cli, runtime } from '../helpers.ts'

/** Where Debian's package containernetworking-plugins has the reference plugins. */
const REFERENCE = '/usr/lib/cni'

/** What podman calls besides, of which we have none. */
const THEIRS = ['firewall', 'tuning']

/** Whether the reference plugins that podman calls can be had. */
export function hasTheirs(): boolean {
  return THEIRS.every((type) => existsSync(join(REFERENCE, type)))
}

let made: Promise<string> | undefined

/** A folder to be a machine's /opt/cni, made once: our plugins in bin/, and of the reference those that we have not. */
export function pluginFolder(): Promise<string> {
  return (made ??= makePluginFolder())
}

async function makePluginFolder(): Promise<string> {
  const folder = join(runtime, 'opt-cni')
  const bin = join(folder, 'bin')
  const { code, stderr } = await cli(['cni', 'install', '--bin-dir', bin])
  if (code !== 0) throw new Error(stderr)
  if (hasTheirs()) for (const type of THEIRS) copyFileSync(join(REFERENCE, type), join(bin, type))
  return folder
}
