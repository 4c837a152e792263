import { join } from 'node:path'
import type { Host } from './host.ts'
import { requireTrust } from './trust.ts'

/**
 * Throws CnilabError `machine` where others could have written a file in the machine's folder, or the folder itself: root
 * would undo what they say. A sandbox's own folder is for whatever runs in it to write, and is read accordingly.
 */
export function requireHostFolder({ kind, folder }: Host, file = ''): void {
  if (kind === 'machine') requireTrust(join(folder, file), `see whose it is: ls -la ${folder}; ls -ld ${folder} /run`)
}
