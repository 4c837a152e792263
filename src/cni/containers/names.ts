import { readText } from '../../kernel/read-file.ts'
import { netnsPath } from '../runtime/request.ts'
import { netnsOfProcess } from './ask-client.ts'
import type { Place } from './place.ts'

/** The path of a namespace's file. */
export const path: Place = {
  title: 'the file system',
  isThere: () => true,
  find: (_host, name) =>
    Promise.resolve(name.includes('/') ? [{ what: netnsPath(name), isWhole: true, netns: netnsPath(name) }] : []),
}

/** The namespaces that `ip netns` knows by name. */
export const named: Place = {
  title: '/run/netns',
  isThere: () => true,
  find: (_host, name) =>
    Promise.resolve(
      name.includes('/') ? [] : [{ what: `the namespace ${name} of ip netns`, isWhole: true, netns: netnsPath(name) }],
    ),
}

/** The running processes, by their numbers. */
export const processes: Place = {
  title: 'the processes',
  isThere: () => true,
  find: ({ inside }, name) =>
    Promise.resolve(
      /^[1-9]\d*$/.test(name)
        ? [
            {
              what: `the process ${name}${inside ? programOf(name) : ''}`,
              isWhole: true,
              netns: netnsOfProcess(Number(name)),
            },
          ]
        : [],
    ),
}

/** The program of a process, in parentheses. */
function programOf(pid: string): string {
  try {
    return ` (${readText(`/proc/${pid}/comm`).trim()})`
  } catch {
    return '' // there is none
  }
}
