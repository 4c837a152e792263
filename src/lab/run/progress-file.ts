import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The file with the progress of the lab in a sandbox: in the user's state directory (XDG Base Directory). */
export function progressFileOf(sandbox: string): string {
  const given = process.env['XDG_STATE_HOME'] ?? ''
  const state = isAbsolute(given) ? given : join(homedir(), '.local', 'state')
  return join(state, 'cnilab', 'labs', `${sandbox}.json`)
}
