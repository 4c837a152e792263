import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hostLocal } from '../../../src/cni/ipam/host-local.ts'
import type { Call } from '../../../src/cni/protocol/plugin-type.ts'
import { toCniError } from '../../../src/cni/protocol/run-plugin.ts'
import { CODE } from '../../../src/cni/protocol/error.ts'
import { folderWithOdd, makeOdd, ODD_FILES, OPEN_TO_ALL } from '../../odd-files.ts'

function callIn(dataDir: string, containerId: string): Call {
  return {
    network: 'net',
    containerId,
    ifname: 'eth0',
    netns: '/run/netns/red',
    args: {},
    path: [],
    version: '1.1.0',
    config: { name: 'net', cniVersion: '1.1.0', ipam: { type: 'host-local', subnet: '10.9.0.0/24', dataDir } },
    prevResult: undefined,
  }
}

/** The code of the error that something ended with; 0 if it succeeded. */
function codeOf(act: Promise<unknown>): Promise<number> {
  return act.then(
    () => 0,
    (error: unknown) => toCniError(error).code,
  )
}

describe.each(ODD_FILES)('%s in a store', (kind) => {
  it.each(['lock', '.by-attachment', 'last_reserved_ip.0', '10.9.0.2', '.new'])(
    'as %s: plugins answer',
    async (name) => {
      const dataDir = folderWithOdd('empty', 'x')
      mkdirSync(join(dataDir, 'net'))
      makeOdd(kind, join(dataDir, 'net', name))
      const [one, two] = [callIn(dataDir, 'one'), callIn(dataDir, 'two')]
      const codes = [
        await codeOf(hostLocal.add(one)),
        await codeOf(hostLocal.add(two)),
        await codeOf(hostLocal.status(one)),
        await codeOf(hostLocal.del(one)),
        await codeOf(hostLocal.gc(two, [])),
      ]
      expect(codes).not.toContain(CODE.bug)
      // What has the name of an address is taken for one, and what is in the place of our own files is replaced.
      const isRead = ['.by-attachment', 'last_reserved_ip.0'].includes(name)
      const isMended =
        name !== 'lock' && kind !== 'folder' && name !== '.new' && !(isRead && OPEN_TO_ALL.includes(kind))
      expect(isMended ? codes : [0, 0, 0, 0, 0]).toEqual([0, 0, 0, 0, 0])
    },
  )
})
