import { readConfigFile } from '../config/config-file.ts'
import { readText, statOf } from '../../kernel/read-file.ts'
import { flagOf, type Process } from './processes.ts'
import { type Runtime, type Setting, settingOf } from './runtime.ts'

// Two runtimes that called CNI plugins and have ended. Their settings may still be on a machine.

/** What became of rkt, and where it looked. */
export const RKT_ENDED =
  'rkt ended in 2020: its project is archived. It read its networks in /etc/rkt/net.d, and found plugins in its own image and in /usr/lib/rkt/plugins/net'

/** What became of Mesos, and where it looked. */
export const MESOS_ENDED =
  "Apache Mesos ended in 2025: it is in Apache's Attic. Its agent read its networks in the folder of --network_cni_config_dir, and found plugins in those of --network_cni_plugins_dir; neither has a default"

const [RKT_CONF, RKT_BIN] = ['/etc/rkt/net.d', '/usr/lib/rkt/plugins/net']

/** rkt's settings, if any of its folders is still there: it has no daemon, so that nothing needs to run. */
export function rktOf(process: Process | undefined, root: string): Runtime | undefined {
  const own = process?.root ?? root
  if (!process && ![RKT_CONF, RKT_BIN].some((folder) => statOf(`${own}${folder}`)?.isDirectory() === true))
    return undefined
  return {
    program: 'rkt',
    ...(process ? { pid: process.pid } : {}),
    root: own,
    files: [],
    confDir: { value: RKT_CONF, from: 'fixed' },
    binDirs: { value: [RKT_BIN], from: 'fixed' },
    notes: [RKT_ENDED],
  }
}

/** The folders of a Mesos agent's settings, one file for each flag; before version 1.0 it was called slave. */
const MESOS = ['/etc/mesos-agent', '/etc/mesos-slave']

/** The settings of a Mesos agent: its flags, its environment, or the files that its package turns into flags. */
export function mesosOf(process: Process | undefined, root: string): Runtime | undefined {
  const own = process?.root ?? root
  const said = (name: string): Setting<string> | undefined => {
    const flag = process && flagOf(process.args, `--${name}`)
    if (flag !== undefined) return { value: flag, from: `--${name}` }
    const variable = `MESOS_${name.toUpperCase()}`
    const value = process && environmentOf(process.pid, root).get(variable)
    return value === undefined ? fileOf(own, name) : { value, from: variable }
  }
  const conf = said('network_cni_config_dir')
  const bins = said('network_cni_plugins_dir')
  if (!process && !conf && !bins) return undefined
  const files = [conf, bins].flatMap((one) => (one?.from.startsWith('/') === true ? [one.from] : []))
  return {
    program: 'mesos-agent',
    ...(process ? { pid: process.pid } : {}),
    root: own,
    files,
    ...(conf ? { confDir: conf } : {}),
    ...(bins ? { binDirs: settingOf({ value: bins.value.split(':'), from: bins.from }, []) } : {}),
    notes: [MESOS_ENDED, ...(conf ? [] : ['without --network_cni_config_dir it calls no CNI plugin'])],
  }
}

function fileOf(root: string, name: string): Setting<string> | undefined {
  for (const folder of MESOS) {
    const file = `${folder}/${name}`
    try {
      const value = readConfigFile(`${root}${file}`).trim()
      if (value !== '') return { value, from: file }
    } catch {
      // there is none, or only root may read it
    }
  }
  return undefined
}

/** The environment of a process; empty if only root may read it. */
function environmentOf(pid: number, root: string): Map<string, string> {
  try {
    const pairs = readText(`${root}/proc/${pid}/environ`).split('\0')
    return new Map(
      pairs.map((pair): [string, string] => [pair.split('=', 1)[0] ?? '', pair.slice(pair.indexOf('=') + 1)]),
    )
  } catch {
    return new Map()
  }
}
