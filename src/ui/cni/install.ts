import type { InstallResult } from '../../cni/install/install.ts'
import type { UninstallResult } from '../../cni/install/uninstall.ts'
import { quote } from '../../plan/command-line.ts'
import type { Text } from '../terminal/drawn.ts'
import { indented, typed, wrapped } from '../terminal/layout.ts'
import { symbol } from '../terminal/style.ts'
import { draw, join } from '../terminal/text.ts'

/** Says what was installed, where, and what to do with it. */
export function installedText({ folder, installed, replaced, bytes }: InstallResult): Text {
  const gone = replaced.length === 0 ? '' : ` They replaced other people's: ${replaced.join(', ')}.`
  const lines = [
    draw`${symbol.done} Installed CNI plugins in ${folder}`,
    indented(installed.join(', '), 2),
    '',
    wrapped(
      `They are one executable of ${Math.round(bytes / 1e6)} MB under ${installed.length} names, and need neither cnilab nor Node. From the system they use ip, nft, nsenter, flock and sysctl.${gone}`,
    ),
    '',
    'Next:',
    typed(`cnilab cni plugins --bin-dir ${quote(folder)}`),
    typed(`cnilab cni install --uninstall --bin-dir ${quote(folder)}`),
    wrapped(
      `A runtime finds them in its configured folder (see cnilab cni runtimes), or with CNI_PATH=${quote(folder)}`,
    ),
  ]
  return join(lines, '\n')
}

/** Says what was removed, and what was left. */
export function uninstalledText({ folder, removed, left }: UninstallResult): Text {
  const lines = [
    removed.length === 0
      ? draw`${symbol.already} cnilab has no plugins in ${folder}`
      : draw`${symbol.done} Removed from ${folder}: ${removed.join(', ')}`,
    ...(left.length === 0 ? [] : [wrapped(`Left alone, because they are somebody else's: ${left.join(', ')}`)]),
  ]
  return join(lines, '\n')
}
