import { Flags } from '@oclif/core'

/** Names a folder of plugins; several times for several, in the order in which they are searched. */
export const binDirFlag = Flags.string({
  multiple: true,
  multipleNonGreedy: true,
  helpValue: 'DIR',
  description: 'folder of plugins, once or more [default: those of CNI_PATH, or /opt/cni/bin and /usr/lib/cni]',
})
