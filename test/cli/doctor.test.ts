import { expect, it } from 'vitest'
import { cli, program, runtime } from '../helpers.ts'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Runs commands as root of a user namespace that knows no other user, and may not make a further one. */
function whereRefused(limit: number, ...args: string[]) {
  const script = `echo ${limit} >/proc/sys/user/max_user_namespaces; exec "$@"`
  return spawnSync('unshare', ['-Ur', 'sh', '-c', script, 'sh', process.execPath, program, ...args], {
    encoding: 'utf8',
    env: { ...process.env, XDG_RUNTIME_DIR: runtime, NO_COLOR: '1' },
  })
}

it('tries everything for real, and says so', async () => {
  const { code, stdout } = await cli(['doctor'])
  expect(stdout).toContain('✔ masquerading: works')
  expect(code).toBe(0)
})

it('names one remedy where user namespaces are refused; other commands point at it, and leave nothing', () => {
  const doctor = whereRefused(0, 'doctor')
  expect(doctor.stdout).toContain('✖ sandbox: this machine refused to make a sandbox')
  expect(doctor.stdout).toContain('\n  sudo sysctl -w user.max_user_namespaces=')
  expect(doctor.status).toBe(3)
  for (const args of [
    ['netns', 'list'],
    ['lab', 'run', '--auto'],
  ]) {
    const refused = whereRefused(0, ...args)
    expect(refused.stderr).toContain('what to do: cnilab doctor')
    expect(refused.status).toBe(3)
  }
  expect(existsSync(join(runtime, 'cnilab'))).toBe(false)
})

it('works for root of a container that knows no other user', () => {
  const { stdout, status } = whereRefused(100, 'lab', 'run', '--auto')
  expect(stdout).toContain('19 of 19 checks passed')
  expect(status).toBe(0)
})
