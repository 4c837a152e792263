import { copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'

const dist = join(import.meta.dirname, '..', '..', 'dist')

/** Where Debian's package containernetworking-plugins has the reference plugins. */
const REFERENCE = '/usr/lib/cni'

/** Whether a plugin of this type is there to be installed: ours, or else the reference's. */
export function hasPlugin(type: string): boolean {
  return [join(dist, 'plugins'), REFERENCE].some((folder) => existsSync(join(folder, type)))
}

/**
 * Fills a new folder with what is to be a machine's /opt/cni: our plugins in bin/, and those of the reference of which we
 * have none. Ours are scripts that run the program beside them.
 */
export function makePluginFolder(folder: string, types: readonly string[]): void {
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  symlinkSync(join(dist, 'src'), join(folder, 'src'))
  const ours = readdirSync(join(dist, 'plugins'))
  for (const type of types)
    copyFileSync(join(ours.includes(type) ? join(dist, 'plugins') : REFERENCE, type), join(bin, type))
}
