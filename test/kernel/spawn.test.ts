import { join } from 'node:path'
import { expect, it } from 'vitest'
import { spawn, spawnByFiles } from '../../src/kernel/spawn.ts'

const ways = [
  ['spawn', (argv: readonly string[], input = '') => spawn(argv, { input })],
  ['spawnByFiles', spawnByFiles],
] as const

it.each(ways)('%s collects what a program prints, and its status', async (_, run) => {
  const long = 'a line of text\n'.repeat(20_000)
  expect(await run(['sh', '-c', 'cat; echo said >&2; exit 3'], long)).toEqual({
    code: 3,
    signal: undefined,
    stdout: long,
    stderr: 'said\n',
  })
  expect(await run(['sh', '-c', 'kill -9 $$'])).toMatchObject({ code: undefined, signal: 'SIGKILL' })
  expect(await run(['cat'])).toMatchObject({ code: 0, stdout: '' })
})

it.each(ways)('%s says which program is not installed', async (_, run) => {
  const missing = { kind: 'machine', message: expect.stringContaining('no-such-program is not installed') }
  await expect(run(['no-such-program'])).rejects.toMatchObject(missing)
  // Within a namespace it is nsenter that says so.
  const inside = ['nsenter', '--net=/proc/self/ns/net', '--', 'no-such-program']
  await expect(run(['unshare', '-Urn', ...inside])).rejects.toMatchObject(missing)
})

it('knows no package of a program that is called like a part of each object', async () => {
  await expect(spawn(['constructor'])).rejects.toThrow(/^constructor is not installed$/)
})

it('programs by files run at the same time', async () => {
  const meeting = '/dev/shm/cnilab-spawn-test'
  const script = `: >${meeting}.$1; for i in $(seq 100); do [ -e ${meeting}.$2 ] && exit 0; sleep 0.05; done; exit 1`
  const both = [
    ['a', 'b'],
    ['b', 'a'],
  ].map(([own = '', other = '']) => spawnByFiles(['sh', '-c', script, 'sh', own, other]))
  expect((await Promise.all(both)).map(({ code }) => code)).toEqual([0, 0])
  await spawn(['sh', '-c', `rm ${meeting}.*`])
})

it.each([
  ['on another file system', 'unset TMPDIR'],
  ['and pipes where there is none', 'export TMPDIR=/run; mount -t tmpfs -o size=64k full /dev/shm'],
])('what is printed is not lost where /run is full: files are %s', async (_, rest) => {
  const script = `import { spawnByFiles } from '${join(import.meta.dirname, '../../src/kernel/spawn.ts')}'
    const { code, stdout } = await spawnByFiles(['sh', '-c', 'cat; seq 100000'], 'first\\n')
    console.log(code, stdout.length, stdout.slice(0, 6))`
  const full = `mount -t tmpfs -o size=64k full /run; head -c 60k /dev/zero >/run/file; ${rest}; exec "$@"`
  const node = [process.execPath, '--input-type=module', '-e', script]
  expect(await spawn(['unshare', '-Urm', 'sh', '-c', full, 'sh', ...node])).toMatchObject({
    code: 0,
    stdout: '0 588901 first\n\n',
  })
})
