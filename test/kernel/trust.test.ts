import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { ALICE, as, common, copy, EVE, makeCopy, makeFolderOf, noUsers } from '../users.ts'

/** What `distrust` says to a user of some paths in the common folder. */
function distrusted(uid: number, ...paths: string[]): (string | null)[] {
  const script = `const { distrust } = await import('${copy.folder}/src/kernel/trust.ts')
console.log(JSON.stringify(process.argv.slice(1).map((path) => distrust(path) ?? null)))`
  const all = paths.map((path) => `${common}/${path}`)
  const { output } = as(uid, [copy.node, '--input-type=module', '-e', script, ...all])
  return z.array(z.string().nullable()).parse(JSON.parse(output))
}

function link(path: string, target: string, uid: number): void {
  symlinkSync(target, join(common, path))
  spawnSync('chown', ['-h', String(uid), join(common, path)])
}

describe.skipIf(noUsers !== undefined)('what is at a path can be trusted (needs root)', () => {
  beforeAll(() => {
    makeCopy()
    makeFolderOf(ALICE, 'alice')
    makeFolderOf(ALICE, 'alice/cache')
    makeFolderOf(ALICE, 'alice/open', 0o777)
    makeFolderOf(ALICE, 'alice/open/cache', 0o700)
    makeFolderOf(ALICE, 'alice/group', 0o775)
    makeFolderOf(EVE, 'eve')
    makeFolderOf(ALICE, 'eve/alice')
    makeFolderOf(0, 'root')
    link('to-alice', `${common}/alice/cache`, ALICE)
    link('by-eve', `${common}/alice/cache`, EVE)
    link('alice/to-eve', '../eve/alice', ALICE)
    link('alice/round', 'round', ALICE)
    writeFileSync(join(common, 'root', 'file'), '')
    chmodSync(join(common, 'root', 'file'), 0o666)
    spawnSync('mkfifo', [join(common, 'root', 'pipe')])
  })

  it("what is this user's or root's all the way, in a sticky folder, too, and by a link of one of them", () => {
    const paths = [
      'alice',
      'alice/cache',
      'root',
      'to-alice',
      'alice/cache/../cache',
      'alice/missing/more',
      'missing',
      'alice/round',
      'root/pipe',
    ]
    expect(distrusted(ALICE, ...paths)).toEqual(paths.map(() => null))
  })

  it.each([
    ['eve', `/eve belongs to user ${EVE}`],
    ['eve/alice', `/eve belongs to user ${EVE}`],
    ['by-eve', `/by-eve belongs to user ${EVE}`],
    ['alice/to-eve', `/eve belongs to user ${EVE}`],
    ['alice/open', 'everybody may write to COMMON/alice/open'],
    ['alice/open/cache', 'everybody may write to COMMON/alice/open'],
    ['alice/group', `group ${ALICE} may write to COMMON/alice/group`],
    ['root/file', 'everybody may write to COMMON/root/file'],
    ['', 'everybody may write to COMMON'],
  ])("not what another user made or may exchange: '%s'", (path, why) => {
    expect(distrusted(ALICE, path)[0]).toContain(why.replace('COMMON', common))
  })

  it("to root nothing that is a user's, as with sudo -E", () => {
    expect(distrusted(0, 'alice/cache', 'root')).toEqual([`${common}/alice belongs to user ${ALICE}`, null])
  })

  it('a group may write that nobody else is in', () => {
    const users = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':').slice(2, 4).map(Number))
    const isAlone = ([uid, gid]: readonly number[]) =>
      uid !== undefined && uid !== 0 && users.filter(([, other]) => other === gid).length === 1
    const [[uid = 0, own = 0] = [], [, another = 0] = []] = users.filter(isAlone) // system users: daemon, bin
    const path = makeFolderOf(uid, 'group', 0o775)
    chownSync(path, uid, own)
    expect(distrusted(uid, 'group')).toEqual([null])
    chownSync(path, uid, another)
    expect(distrusted(uid, 'group')[0]).toContain(`may write to ${path}`)
  })
})
