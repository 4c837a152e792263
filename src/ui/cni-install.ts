import type { Installed } from '../cni/install/install.ts'
import type { Uninstalled } from '../cni/install/uninstall.ts'
import { mark, style } from './style.ts'
import { indented, wrapped } from './text.ts'

/** What was installed, where, and what to do with it. */
export function installedText({ folder, installed, replaced, bytes }: Installed): string {
  const gone = replaced.length === 0 ? '' : ` What others had installed is gone: ${replaced.join(', ')}.`
  return [
    `${mark.done} Installed CNI plugins in ${folder}`,
    indented(installed.join(', '), 2),
    '',
    wrapped(
      `They are one executable of ${Math.round(bytes / 1e6)} MB by ${installed.length} names, and need neither cnilab nor Node; of the system they call ip, nft, nsenter, flock and sysctl.${gone}`,
    ),
    '',
    'Go on with:',
    `  ${style.command(`cnilab cni plugins --bin-dir ${folder}`)}`,
    `  ${style.command(`cnilab cni install --uninstall --bin-dir ${folder}`)}`,
    wrapped(`A runtime finds them in the folder that it is set to (cnilab cni kubelet), or with CNI_PATH=${folder}`),
  ].join('\n')
}

/** What was removed, and what was left. */
export function uninstalledText({ folder, removed, left }: Uninstalled): string {
  return [
    removed.length === 0
      ? `${mark.already} There are no plugins of cnilab's in ${folder}`
      : `${mark.done} Removed from ${folder}: ${removed.join(', ')}`,
    ...(left.length === 0 ? [] : [wrapped(`Left there, for they are somebody else's: ${left.join(', ')}`)]),
  ].join('\n')
}
