import { containerdOf } from './containerd.ts'
import { crioOf } from './crio.ts'
import { mesosOf, rktOf } from './ended.ts'
import { kubeletOf } from './kubelet.ts'
import { type Process, processesOf } from './processes.ts'
import type { Runtime } from './runtime.ts'

/**
 * Finds the kubelets and container runtimes that are running, and containerd, CRI-O, rkt and Mesos even if only their files exist.
 * `root` is a prefix for /proc and /etc.
 */
export function findRuntimes(root = ''): Runtime[] {
  const all = processesOf(
    ['kubelet', 'containerd', 'crio', 'cri-dockerd', 'dockerd', 'rkt', 'mesos-agent', 'mesos-slave'],
    root,
  )
  const named = (program: string) => all.filter((one) => one.program === program)
  const each = (programs: string, of: (process: Process | undefined, root: string) => Runtime | undefined) => {
    const running = programs.split(' ').flatMap(named)
    return (running.length > 0 ? running : [undefined]).flatMap((process) => of(process, root) ?? [])
  }
  return [
    ...named('kubelet').map(kubeletOf),
    ...each('containerd', containerdOf),
    ...each('crio', crioOf),
    ...named('cri-dockerd').map(kubeletOf),
    ...named('dockerd').map(dockerdOf),
    ...each('rkt', rktOf),
    ...each('mesos-agent mesos-slave', mesosOf),
  ]
}

function dockerdOf({ pid, root }: Process): Runtime {
  return {
    program: 'dockerd',
    pid,
    root,
    files: [],
    notes: [
      'Docker itself calls no CNI plugins: it has its own networks (CNM). cnilab bridge add CONTAINER --host connects a container that was started with --network=none',
    ],
  }
}
