import * as z from 'zod'
import { CnilabError } from '../../errors.ts'
import { isInstalled } from '../../kernel/environment.ts'
import { MACHINE } from '../../kernel/host.ts'
import { netnsAt } from '../../kernel/netns-files.ts'
import { quote } from '../../plan/command-line.ts'
import { parseJson } from '../../state/json.ts'
import { askClient, netnsOfProcess, reasonOf } from './ask-client.ts'
import { CONTAINERD, socketsAmong } from './containerd.ts'
import { type Candidate, fit, type Place, shortId } from './place.ts'
import { netnsOfSpec, specSchema } from './spec.ts'

/** The sockets of runtimes that a kubelet may use. Of containerd its own client is asked, where it is installed. */
function sockets(): string[] {
  return socketsAmong(['/run/crio/crio.sock', '/run/cri-dockerd.sock', ...(isInstalled('ctr') ? [] : CONTAINERD)])
}

/** The pods and containers of a Kubernetes node, by the client that is common to all its runtimes. */
export const cri: Place = {
  title: 'CRI',
  isThere: () => isInstalled('crictl') && sockets().length > 0,
  find: async (_host, name) => (await Promise.all(sockets().map((socket) => findOn(socket, name)))).flat(),
  byHand: (name) => `crictl inspectp $(crictl pods -q --name ${quote(name)}) | grep '"pid"'`,
}

async function findOn(socket: string, name: string): Promise<Candidate[]> {
  const ask = async (...argv: string[]) => {
    const finished = await askClient(['crictl', '--runtime-endpoint', `unix://${socket}`, ...argv])
    if (finished.code !== 0) throw new CnilabError('state', reasonOf(finished))
    return finished.stdout
  }
  const [pods, containers] = await Promise.all([ask('pods', '-o', 'json'), ask('ps', '-a', '-o', 'json')])
  const fitting = [...parseList(pods, 'inspectp'), ...parseList(containers, 'inspect')].flatMap((one) => {
    const how = fit(name, one.id, [one.name])
    return how === undefined ? [] : [{ ...one, isWhole: how === 'whole' }]
  })
  return Promise.all(
    fitting.map(async ({ id, what, inspect, isWhole }) => {
      const { pid, netns } = parseDetails(await ask(inspect, '-o', 'json', id))
      const isMounted = netns !== undefined && netnsAt(MACHINE, netns) !== undefined
      if (isMounted || pid > 0) return { what, isWhole, netns: isMounted ? netns : netnsOfProcess(pid) }
      return { what, isWhole, without: { why: 'is not running', fix: 'crictl pods shows those that are ready' } }
    }),
  )
}

const metadata = z.object({ name: z.string(), namespace: z.string().optional() })
const listSchema = z.object({
  items: z.array(z.object({ id: z.string(), metadata })).optional(),
  containers: z.array(z.object({ id: z.string(), metadata })).optional(),
})

/** A pod or a container, and the command of crictl that tells more of it. */
interface Listed {
  id: string
  name: string
  what: string
  inspect: string
}

/** Parses what `crictl pods` or `crictl ps` printed. */
export function parseList(text: string, inspect: 'inspectp' | 'inspect'): Listed[] {
  const { items = [], containers = [] } = listSchema.safeParse(parseJson(text)).data ?? {}
  return [...items, ...containers].map(({ id, metadata: { name, namespace } }) => ({
    id,
    name,
    what:
      inspect === 'inspectp'
        ? `the pod ${namespace ?? 'default'}/${name} (${shortId(id)})`
        : `the container ${name} (${shortId(id)})`,
    inspect,
  }))
}

const detailsSchema = z.object({ info: z.object({ pid: z.number().optional(), runtimeSpec: specSchema.nullish() }) })

/** The process of a pod or container, 0 if there is none, and where its namespace is mounted, from `crictl inspectp` or `inspect`. */
export function parseDetails(text: string): { pid: number; netns?: string | undefined } {
  const { info } = detailsSchema.safeParse(parseJson(text)).data ?? {}
  return { pid: info?.pid ?? 0, netns: netnsOfSpec(info?.runtimeSpec) }
}
