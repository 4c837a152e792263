import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { APP, type Host } from './host.ts'

const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** PATH, with the system directories added: an ordinary user's often lacks those that hold `ip`, `nft` and `sysctl`. */
export function searchPath(): string {
  const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return [...folders, ...systemFolders.filter((folder) => !folders.includes(folder))].join(':')
}

/** Whether a program is installed where `spawn` finds it. */
export function isInstalled(program: string): boolean {
  return searchPath()
    .split(':')
    .some((folder) => {
      try {
        accessSync(join(folder, program), constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** The only variables of the user's environment that a sandbox sees: how to display text. */
const SHOWN = /^(TERM|COLORTERM|NO_COLOR|FORCE_COLOR|LANG|LANGUAGE|LC_\w+|TZ)$/

/** The complete environment of a program on a host. In a sandbox `cnilab` is on its PATH, and acts on that sandbox. */
export function environmentOn(host: Host): NodeJS.ProcessEnv {
  if (host.inside) return { ...process.env, PATH: searchPath() }
  const shown = Object.entries(process.env).filter(([name]) => SHOWN.test(name))
  return {
    ...Object.fromEntries(shown),
    PATH: `${APP.bin}:${systemFolders.join(':')}`,
    HOME: '/root',
    USER: 'root',
    LOGNAME: 'root',
    SHELL: '/bin/sh',
    CNILAB_SANDBOX: host.name,
  }
}
