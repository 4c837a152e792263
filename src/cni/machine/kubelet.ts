import { parse } from 'yaml'
import { readConfigFile } from '../config/config-file.ts'
import { asObject, asString } from '../config/check-keys.ts'
import { DEFAULT_CONF_DIR } from '../config/folders.ts'
import { flagOf, type Process } from './processes.ts'
import { type Runtime, type Setting, settingOf } from './runtime.ts'

/** What happened to kubelet's CNI flags. */
export const FLAGS_GONE =
  'kubelet has had no CNI flags since Kubernetes 1.24 (May 2022), when dockershim was removed: the container runtime has these settings now'

/** The CNI settings in the flags of a kubelet or cri-dockerd, and which runtime the kubelet uses. */
export function kubeletOf(process: Process): Runtime {
  const { pid, args, root } = process
  const isKubelet = process.program === 'kubelet'
  const plugin = flagOf(args, '--network-plugin')
  const folders = { conf: flagOf(args, '--cni-conf-dir'), bin: flagOf(args, '--cni-bin-dir') }
  const hasFlags = [plugin, folders.conf, folders.bin].some((flag) => flag !== undefined)
  const file = flagOf(args, '--config')
  const endpoint = isKubelet ? endpointOf(process, file) : undefined
  const common = {
    pid,
    root,
    files: isKubelet && file !== undefined ? [file] : [],
    ...(endpoint ? { endpoint } : {}),
  }
  if (isKubelet && !hasFlags) return { program: 'kubelet', ...common, notes: [FLAGS_GONE] }
  const said = <T>(flag: string, value: string | undefined, of: (text: string) => T) =>
    value === undefined ? undefined : { value: of(value), from: flag }
  const notes = [
    ...(isKubelet ? ['it is older than Kubernetes 1.24, which removed these flags'] : []),
    ...(plugin !== undefined && plugin !== 'cni'
      ? [`--network-plugin is ${plugin || 'empty'}: no CNI plugin is called`]
      : []),
    ...(isKubelet && plugin === undefined ? ['without --network-plugin=cni it calls no CNI plugin'] : []),
  ]
  return {
    program: isKubelet ? 'kubelet' : 'cri-dockerd',
    ...common,
    confDir: settingOf(
      said('--cni-conf-dir', folders.conf, (text) => text),
      DEFAULT_CONF_DIR,
    ),
    binDirs: settingOf<readonly string[]>(
      said('--cni-bin-dir', folders.bin, (text) => text.split(',')),
      ['/opt/cni/bin'],
    ),
    notes,
  }
}

/** The socket of the runtime that a kubelet uses, from its flag or, since 1.27, its file. */
function endpointOf({ args, root }: Process, file: string | undefined): Setting<string> | undefined {
  const flag = flagOf(args, '--container-runtime-endpoint')
  if (flag !== undefined) return { value: flag, from: '--container-runtime-endpoint' }
  if (file === undefined) return undefined
  try {
    const value = asString(
      asObject(parse(readConfigFile(`${root}${file}`), { logLevel: 'error' }))?.['containerRuntimeEndpoint'],
    )
    return value ? { value, from: file } : undefined
  } catch {
    return undefined // readable only by root, or not YAML
  }
}
