import { Flags } from '@oclif/core'

/** Names plugin directories, in the order of the search. */
export const binDirFlag = Flags.string({
  multiple: true,
  multipleNonGreedy: true,
  helpValue: 'DIR',
  description: 'plugin folder, once or more [default: those in CNI_PATH, or /opt/cni/bin and /usr/lib/cni]',
})
