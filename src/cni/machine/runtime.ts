/** A setting, and which flag or file says so. */
export interface Setting<T> {
  value: T
  from: string
}

/** A program that calls CNI plugins, or tells another to, and its settings. */
export interface Runtime {
  program: 'kubelet' | 'containerd' | 'CRI-O' | 'cri-dockerd' | 'dockerd'
  /** Undefined if it does not run, and only its file is there. */
  pid?: number
  /** Put in front of a path to see the files as it does. */
  root: string
  /** The configuration files that were read. */
  files: readonly string[]
  confDir?: Setting<string>
  binDirs?: Setting<readonly string[]>
  /** The network that is taken in place of the first one. */
  network?: Setting<string>
  /** Which runtime a kubelet asks: `unix:///run/containerd/containerd.sock`. */
  endpoint?: Setting<string>
  /** What else is to be known, and what could not be read. */
  notes: readonly string[]
}

/** The value that something says, or the program's default. */
export function settingOf<T>(said: Setting<T> | undefined, standard: T): Setting<T> {
  return said ?? { value: standard, from: 'default' }
}
