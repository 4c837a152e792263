import { readFolder, UnreadableError } from '../../kernel/read-file.ts'
import { isConfigName } from '../config/written-network.ts'
import type { Runtime } from './runtime.ts'

/** The names in a directory, sorted. */
export interface FolderSummary {
  folder: string
  names: readonly string[]
  /** Why it cannot be read. */
  wrong?: string
}

/** A runtime with the content of its directories. */
export interface RuntimeSummary extends Runtime {
  /** The files that it reads in its configuration directory. */
  configurations: readonly FolderSummary[]
  plugins: readonly FolderSummary[]
}

/** Lists the directories of a runtime, as it sees them. */
export function withFolders(runtime: Runtime): RuntimeSummary {
  const { root, confDir, binDirs } = runtime
  return {
    ...runtime,
    configurations: confDir ? [summary(confDir.value, root, isConfigName)] : [],
    plugins: (binDirs?.value ?? []).map((folder) => summary(folder, root, () => true)),
  }
}

function summary(folder: string, root: string, counts: (name: string) => boolean): FolderSummary {
  try {
    const names = readFolder(`${root}${folder}`).map(({ name }) => name)
    return { folder, names: names.filter(counts).toSorted() }
  } catch (error) {
    if (!(error instanceof UnreadableError)) throw error
    return { folder, names: [], wrong: error.message }
  }
}
