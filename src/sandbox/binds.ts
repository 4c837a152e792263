import { realpathSync, statSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import type { Host } from '../kernel/host.ts'

/** Directories that a sandbox creates for itself: neither they nor their parents can be the machine's. */
const OWN = [
  '/dev',
  '/etc',
  '/opt/cnilab',
  '/proc',
  '/root',
  '/run',
  '/sys',
  '/tmp',
  '/usr',
  '/var/lib',
  '/var/run',
  '/var/tmp',
]

/** Nor can anything below these: they are the sandbox's as a whole, or are visible inside anyway. */
const WHOLE = [
  '/bin',
  '/dev',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/opt/cnilab',
  '/proc',
  '/run',
  '/sbin',
  '/sys',
  '/usr',
  '/var/run',
]

/**
 * The directories of this machine that `--bind` names, as absolute paths without links; inside they have the same paths.
 * Throws CnilabError `usage` for what is not a directory, or would hide what the sandbox needs.
 */
export function readBinds(given: readonly string[]): string[] {
  return [...new Set(given.map(readBind))].toSorted()
}

/** Refuses to run a lab, which may be a stranger's, if directories of the machine are visible. Throws CnilabError `state`. */
export function refuseBinds({ name, binds }: Host): void {
  if (binds.length === 0) return
  throw new CnilabError(
    'state',
    `no lab runs in the sandbox '${name}', which shows folders of this machine: ${binds.join(', ')}`,
    {
      fix: '--sandbox with another name makes one without',
    },
  )
}

function readBind(given: string): string {
  const folder = realFolder(given)
  const isBelow = (path: string, other: string) => path === other || path.startsWith(`${other}/`)
  const hidden = OWN.find((own) => folder === '/' || isBelow(own, folder)) ?? WHOLE.find((own) => isBelow(folder, own))
  if (hidden !== undefined)
    throw new CnilabError('usage', `--bind cannot name ${folder}: the sandbox has a ${hidden} of its own`, {
      fix: 'name a folder such as one of your home: --bind ~/plugins',
    })
  return folder
}

function realFolder(given: string): string {
  try {
    const folder = realpathSync(given)
    // An empty path, as from an unset variable, would mean the current directory.
    if (given !== '' && statSync(folder).isDirectory()) return folder
  } catch {
    // reported below
  }
  throw new CnilabError('usage', `--bind takes a folder of this machine, and '${given}' is not one`)
}
