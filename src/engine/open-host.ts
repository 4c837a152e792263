import { CnilabError } from '../errors.ts'
import { HOST_FOLDER, type Host } from '../kernel/host.ts'
import { ownSandbox } from '../sandbox/find.ts'
import { openSandbox } from '../sandbox/open.ts'
import { userId } from '../kernel/user.ts'

/** Where a command acts, and whether its sandbox was made just now. */
export interface Opened {
  host: Host
  created: boolean
}

/** The machine itself, for `--host`. Throws CnilabError `machine` unless we are root there. */
export function machine(): Host {
  const own = ownSandbox()
  if (own)
    throw new CnilabError('usage', `--host means the machine, and this is inside the sandbox '${own.name}'`, {
      fix: 'leave the shell first, or leave --host out',
    })
  if (userId() !== 0)
    throw new CnilabError('machine', '--host changes this machine itself and needs root', {
      fix: 'sudo cnilab …, or leave --host out to act in your own sandbox',
    })
  return { kind: 'machine', name: 'machine', enter: [], root: '', pid: process.pid, folder: HOST_FOLDER, common: true }
}

/** The machine with `--host`, else the sandbox of this name, made if there is none. */
export async function openHost(flags: { host: boolean; sandbox: string }): Promise<Opened> {
  return flags.host ? { host: machine(), created: false } : openSandbox(flags.sandbox)
}
