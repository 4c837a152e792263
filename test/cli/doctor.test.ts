import { describe, expect, it } from 'vitest'
import { cli, eventually, processesWith, program, runtime } from '../helpers.ts'
import { isLong } from '../long.ts'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** How to be a user in a user namespace that knows no other: as its root, and as somebody without privileges. */
const ROOT = ['unshare', '-Ur']
const ORDINARY = ['unshare', '-U', '--map-user=1234', '--map-group=1234', '--keep-caps']

/** Runs a command as such a user, where only so many namespaces of a kind may be made, within 20 seconds. */
function whereFew(kind: string, limit: number, [file = '', ...as]: readonly string[], args: readonly string[]) {
  const script = `echo ${limit} >/proc/sys/user/max_${kind}_namespaces; exec setpriv --ambient-caps=-all --inh-caps=-all "$@"`
  return spawnSync(file, [...as, 'sh', '-c', script, 'sh', process.execPath, program, ...args], {
    encoding: 'utf8',
    timeout: 20_000,
    killSignal: 'SIGKILL',
    env: { ...process.env, XDG_RUNTIME_DIR: runtime, NO_COLOR: '1' },
  })
}

it('tries everything for real, and says so', async () => {
  const { code, stdout } = await cli(['doctor'])
  expect(stdout).toContain('✔ masquerading: works')
  expect(code).toBe(0)
})

it('names one remedy where user namespaces are refused; other commands point at it, and leave nothing', () => {
  const doctor = whereFew('user', 0, ROOT, ['doctor'])
  expect(doctor.stdout).toContain('✖ sandbox: this machine refused to make a sandbox')
  expect(doctor.stdout).toContain('\n  $ sudo sysctl -w user.max_user_namespaces=')
  expect(doctor.status).toBe(3)
  for (const args of [
    ['netns', 'list'],
    ['lab', 'run', '--auto'],
  ]) {
    const refused = whereFew('user', 0, ROOT, args)
    expect(refused.stderr).toContain('what to do: cnilab doctor')
    expect(refused.status).toBe(3)
  }
  expect(existsSync(join(runtime, 'cnilab'))).toBe(false)
})

it('works for root of a container that knows no other user', () => {
  const { stdout, status } = whereFew('user', 100, ROOT, ['lab', 'run', '--auto'])
  expect(stdout).toContain('19 of 19 checks passed')
  expect(status).toBe(0)
})

/** Kinds of namespaces, and how many of each are too few for a sandbox. */
const TOO_FEW = [
  ['user', 1],
  ['net', 1],
  ['ipc', 0],
  ...(isLong
    ? ([
        ['mnt', 0],
        ['mnt', 1],
        ['net', 0],
        ['pid', 0],
      ] as const)
    : []),
] as const

describe.each([
  ['root', ROOT],
  ['an ordinary user', ORDINARY],
])('too few namespaces for a sandbox of %s', (_, as) => {
  it.each(TOO_FEW)('of kind %s: %i', async (kind, limit) => {
    const refused = whereFew(kind, limit, as, ['netns', 'create', 'red'])
    expect(refused).toMatchObject({
      status: 3,
      stdout: '',
      stderr: expect.stringContaining('what to do: cnilab doctor'),
    })
    expect(refused.stderr).toMatch(/this machine refused to make a sandbox: .*: No space left on device\n/)
    expect(whereFew(kind, limit, as, ['doctor'])).toMatchObject({
      status: 3,
      stdout: expect.stringContaining(`\n  $ sudo sysctl -w user.max_${kind}_namespaces=15000\n`),
    })
    expect(await eventually(() => !existsSync(join(runtime, 'cnilab')))).toBe(true)
    expect(processesWith(`${runtime}/cnilab`)).toEqual([])
  })

  it('a kind that none is made of may be missing', () => {
    for (const kind of isLong ? ['uts', 'cgroup', 'time'] : ['uts'])
      expect(whereFew(kind, 0, as, ['doctor']).status).toBe(0)
  })

  it('enough for a sandbox, but for no container', () => {
    const remedy = '\n  $ sudo sysctl -w user.max_net_namespaces=15000\n'
    const doctor = whereFew('net', 2, as, ['doctor'])
    expect([doctor.status, doctor.stdout]).toEqual([3, expect.stringContaining(remedy)])
    const refused = whereFew('net', 2, as, ['lab', 'run', '--auto', '--json'])
    expect([refused.status, refused.stdout]).toEqual([
      1,
      expect.stringContaining('raise sysctl user.max_net_namespaces'),
    ])
    expect(existsSync(join(runtime, 'cnilab'))).toBe(false)
  })
})
