import { join } from 'node:path'
import { cli, runtime } from '../helpers.ts'

let made: Promise<string> | undefined

/** A folder to be a machine's /opt/cni, made once, with our plugins in bin/. */
export function pluginFolder(): Promise<string> {
  return (made ??= makePluginFolder())
}

async function makePluginFolder(): Promise<string> {
  const folder = join(runtime, 'opt-cni')
  const bin = join(folder, 'bin')
  const { code, stderr } = await cli(['cni', 'install', '--bin-dir', bin])
  if (code !== 0) throw new Error(stderr)
  return folder
}
