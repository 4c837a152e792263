import { join } from 'node:path'
import type { Host } from './host.ts'
import { requireTrust } from './trust.ts'

/**
 * Throws CnilabError `machine` if other users could have written a file in the machine's directory, or the directory
 * itself: root would undo what they say. A sandbox's programs may write to its own directory, so we read that with care.
 */
export function requireHostFolder({ kind, folder }: Host, file = ''): void {
  if (kind === 'machine') requireTrust(join(folder, file), `see whose it is: ls -la ${folder}; ls -ld ${folder} /run`)
}
