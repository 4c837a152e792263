/** A setting, and the flag or file that it comes from. */
export interface Setting<T> {
  value: T
  from: string
}

/** A program that calls CNI plugins, or has another one do so, and its settings. */
export interface Runtime {
  program: 'kubelet' | 'containerd' | 'CRI-O' | 'cri-dockerd' | 'dockerd' | 'rkt' | 'mesos-agent'
  /** Undefined if it is not running, and only its files exist. */
  pid?: number
  /** A prefix that turns its paths into ours. */
  root: string
  /** The configuration files that were read. */
  files: readonly string[]
  confDir?: Setting<string>
  binDirs?: Setting<readonly string[]>
  /** containerd: how many files of the folder it takes; 0 for all. */
  maxConfNum?: Setting<number>
  /** The network that it uses instead of the first one. */
  network?: Setting<string>
  /** The runtime that a kubelet uses: `unix:///run/containerd/containerd.sock`. */
  endpoint?: Setting<string>
  /** Remarks, and what could not be read. */
  notes: readonly string[]
}

/** The configured setting, or the program's default. */
export function settingOf<T>(said: Setting<T> | undefined, standard: T): Setting<T> {
  return said ?? { value: standard, from: 'default' }
}
