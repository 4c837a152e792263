import * as z from 'zod'
import { parseJson } from '../../state/json.ts'

/** The part of an OCI runtime's specification that names the network namespace a container joins. */
export const specSchema = z.object({
  linux: z
    .object({ namespaces: z.array(z.object({ type: z.string(), path: z.string().optional() })).nullish() })
    .nullish(),
})

/** The path of the network namespace that a container joins, if it was made before. */
export function netnsOfSpec(spec: z.infer<typeof specSchema> | null | undefined): string | undefined {
  return spec?.linux?.namespaces?.find(({ type }) => type === 'network')?.path
}

const infoSchema = z.object({
  ID: z.string(),
  Labels: z.record(z.string(), z.string()).nullish(),
  Spec: specSchema.nullish(),
})

/** A container, as `ctr containers info` describes it. */
export interface ContainerInfo {
  id: string
  /** All names by which people know it: nerdctl's, the pod's, and the one that it has in the pod. */
  names: readonly string[]
  /** In words, if it belongs to a pod: `pod shop/web`. */
  pod?: string
  netns?: string | undefined
}

/** Parses what `ctr containers info` printed; undefined if it is something else. */
export function parseInfo(text: string): ContainerInfo | undefined {
  const { data } = infoSchema.safeParse(parseJson(text))
  if (!data) return undefined
  const labels = data.Labels ?? {}
  const [pod, namespace] = [labels[POD], labels['io.kubernetes.pod.namespace']]
  return {
    id: data.ID,
    names: NAMES.flatMap((label) => labels[label] ?? []),
    ...(pod === undefined ? {} : { pod: `pod ${namespace ?? 'default'}/${pod}` }),
    netns: netnsOfSpec(data.Spec),
  }
}

const POD = 'io.kubernetes.pod.name'

/** The labels by which people know a container. */
export const NAMES: readonly string[] = [POD, 'io.kubernetes.container.name', 'nerdctl/name']

/** The process ids in the table of `ctr tasks ls`, by container. */
export function parseTasks(text: string): Map<string, number> {
  const rows = text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
  return new Map(rows.flatMap(([id = '', pid = '', status]) => (status === 'RUNNING' ? [[id, Number(pid)]] : [])))
}
