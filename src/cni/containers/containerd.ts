import { CnilabError } from '../../errors.ts'
import { isInstalled } from '../../kernel/environment.ts'
import { MACHINE } from '../../kernel/host.ts'
import { netnsAt } from '../../kernel/netns-files.ts'
import { statOf } from '../../kernel/read-file.ts'
import { quote } from '../../plan/command-line.ts'
import { askClient, netnsOfProcess, reasonOf } from './ask-client.ts'
import { type Candidate, fit, type Place, shortId } from './place.ts'
import { type ContainerInfo, NAMES, parseInfo, parseTasks } from './spec.ts'

/** The sockets of containerd: its own, and those of k3s, RKE2 and MicroK8s. */
export const CONTAINERD = [
  '/run/containerd/containerd.sock',
  '/run/k3s/containerd/containerd.sock',
  '/var/snap/microk8s/common/run/containerd.sock',
]

/** Those of the sockets that are there. */
export function socketsAmong(sockets: readonly string[]): string[] {
  return sockets.filter((socket) => statOf(socket)?.isSocket() === true)
}

/** containerd's containers in all of its namespaces, pods of Kubernetes among them. */
export const containerd: Place = {
  title: 'containerd',
  isThere: () => socketsAmong(CONTAINERD).length > 0 && isInstalled('ctr'),
  find: async (_host, name) =>
    (await Promise.all(socketsAmong(CONTAINERD).map((socket) => findOn(socket, name)))).flat(),
  byHand: (name) => `ctr namespaces ls, and for each of them ctr -n NAMESPACE tasks ls | grep ${quote(name)}`,
}

async function findOn(socket: string, name: string): Promise<Candidate[]> {
  const client = ['ctr', '--address', socket]
  const namespaces = words(await ask([...client, 'namespaces', 'ls', '-q']))
  return (await Promise.all(namespaces.map((namespace) => findIn(client, namespace, name)))).flat()
}

async function findIn(client: readonly string[], namespace: string, name: string): Promise<Candidate[]> {
  const inside = [...client, '--namespace', namespace]
  const filters = [
    `id~="^${name.replaceAll('.', String.raw`\\.`)}"`,
    ...NAMES.map((label) => `labels.${JSON.stringify(label)}==${JSON.stringify(name)}`),
  ]
  const ids = words(await ask([...inside, 'containers', 'ls', '-q', ...filters]))
  if (ids.length === 0) return []
  const [tasks, ...infos] = await Promise.all([
    ask([...inside, 'tasks', 'ls']),
    ...ids.map((id) => ask([...inside, 'containers', 'info', id])),
  ])
  const pids = parseTasks(tasks)
  return infos.flatMap((text) => {
    const info = parseInfo(text)
    return info ? candidate(namespace, name, info, pids.get(info.id)) : []
  })
}

function candidate(namespace: string, name: string, info: ContainerInfo, pid: number | undefined): Candidate[] {
  const { id, names, pod, netns } = info
  const how = fit(name, id, names)
  if (how === undefined) return []
  const what = `the containerd container ${shortId(id)} (${pod ?? `namespace ${namespace}`})`
  const common = { what, isWhole: how === 'whole' }
  if (pid === undefined)
    return [
      {
        ...common,
        without: { why: 'is not running', fix: `ctr -n ${quote(namespace)} tasks ls shows those that are` },
      },
    ]
  const isMounted = netns !== undefined && netnsAt(MACHINE, netns) !== undefined
  return [{ ...common, netns: isMounted ? netns : netnsOfProcess(pid) }]
}

async function ask(argv: readonly string[]): Promise<string> {
  const finished = await askClient(argv)
  if (finished.code !== 0) throw new CnilabError('state', reasonOf(finished))
  return finished.stdout
}

function words(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}
