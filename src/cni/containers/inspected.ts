import * as z from 'zod'
import { parseJson } from '../../state/json.ts'

const schema = z.array(
  z.object({
    Id: z.string(),
    Name: z.string(),
    State: z.object({ Pid: z.number(), Status: z.string() }),
    NetworkSettings: z.object({ SandboxKey: z.string().nullish() }).nullish(),
  }),
)

/** A container, as `docker container inspect` and `podman container inspect` describe it. */
export interface Inspected {
  id: string
  name: string
  /** 0 if it is not running. */
  pid: number
  /** `running`, `exited`, … */
  status: string
  /** Where its namespace is mounted; empty if nowhere. */
  sandboxKey: string
}

/** Parses what `inspect` printed; undefined if it is something else. */
export function parseInspected(text: string): Inspected[] | undefined {
  return schema.safeParse(parseJson(text)).data?.map(({ Id, Name, State, NetworkSettings }) => ({
    id: Id,
    name: Name.replace(/^\//, ''),
    pid: State.Pid,
    status: State.Status,
    sandboxKey: NetworkSettings?.SandboxKey ?? '',
  }))
}
