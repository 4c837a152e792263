import { statOf } from '../../kernel/read-file.ts'

/** Where the plugins are that packages (upstream's and Debian's) install, and the configurations. */
export const DEFAULT_BIN_DIRS = ['/opt/cni/bin', '/usr/lib/cni']
export const DEFAULT_CONF_DIR = '/etc/cni/net.d'

/** The folders of plugins: those given, else those of CNI_PATH, else the ones that packages use. */
export function binDirs(given: readonly string[] = []): readonly string[] {
  if (given.length > 0) return given
  const named = (process.env['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== '')
  return named.length > 0 ? named : DEFAULT_BIN_DIRS
}

/** The folder of configurations: the one given, else NETCONFPATH (as cnitool has it), else the one that all use. */
export function confDir(given?: string): string {
  return given ?? (process.env['NETCONFPATH'] || DEFAULT_CONF_DIR)
}

/** Which of some folders there are. */
export function present(folders: readonly string[]): string[] {
  return folders.filter((folder) => statOf(folder)?.isDirectory() === true)
}
