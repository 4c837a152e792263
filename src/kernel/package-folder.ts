import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The package's root: the nearest directory above this file with a package.json. */
export function packageFolder(): string {
  let folder = import.meta.dirname
  while (!existsSync(join(folder, 'package.json')) && folder !== '/') folder = dirname(folder)
  return folder
}
