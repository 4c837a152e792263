import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { cli, runtime } from '../helpers.ts'

const dist = join(import.meta.dirname, '..', '..', 'dist')
const scripts = join(dist, 'plugins')

/** Where Debian's package containernetworking-plugins has the reference plugins. */
const REFERENCE = '/usr/lib/cni'

/** What containers need of which we may have none. */
const MORE = ['portmap', 'firewall', 'tuning']

/** Whether a plugin of this type can be had: ours, or else the reference's. */
export function hasPlugin(type: string): boolean {
  return [scripts, REFERENCE].some((folder) => existsSync(join(folder, type)))
}

let made: Promise<string> | undefined

/** A folder to be a machine's /opt/cni, made once: our plugins in bin/, and of the reference those that we have not. */
export function pluginFolder(): Promise<string> {
  return (made ??= makePluginFolder())
}

async function makePluginFolder(): Promise<string> {
  const folder = join(runtime, 'opt-cni')
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  if (existsSync(join(dist, 'commands', 'cni', 'install.js'))) {
    const { code, stderr } = await cli(['cni', 'install', '--bin-dir', bin])
    if (code !== 0) throw new Error(stderr)
  } else {
    for (const type of readdirSync(scripts)) copyFileSync(join(scripts, type), join(bin, type))
    symlinkSync(join(dist, 'src'), join(folder, 'src')) // the program that the scripts run
  }
  for (const type of MORE)
    if (!existsSync(join(bin, type)) && existsSync(join(REFERENCE, type)))
      copyFileSync(join(REFERENCE, type), join(bin, type))
  return folder
}
