import { statOf } from '../../kernel/read-file.ts'

/** Where packages, upstream's and Debian's, install plugins and configurations. */
export const DEFAULT_BIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni']
/** Where runtimes look for network configuration unless told otherwise (libcni, `DefaultConfDir`). */
export const DEFAULT_CONF_DIR = '/etc/cni/net.d'

/** The plugin directories: those given, else CNI_PATH, else the ones that packages use. */
export function binDirs(given: readonly string[] = []): readonly string[] {
  if (given.length > 0) return given
  const named = (process.env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return named.length > 0 ? named : DEFAULT_BIN_DIRS
}

/** The configuration directory: the one given, else NETCONFPATH (as for cnitool), else the usual one. */
export function confDir(given?: string): string {
  return given ?? (process.env['NETCONFPATH'] || DEFAULT_CONF_DIR)
}

/** The directories that exist. */
export function present(folders: readonly string[]): string[] {
  return folders.filter((folder) => statOf(folder)?.isDirectory() === true)
}
