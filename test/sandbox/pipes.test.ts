import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { beforeAll, expect, it } from 'vitest'
import { cli, eventually, processesWith, program, runtime } from '../helpers.ts'

beforeAll(async () => {
  await cli(['netns', 'list'])
})

/** A line of shell in which `$cnilab` is the program. Ends it after 20 seconds: status null. */
function shell(line: string, input: string | Buffer = '') {
  const started = spawnSync('sh', ['-c', `cnilab="${process.execPath} ${program}"; ${line}`], {
    input,
    maxBuffer: 1e8,
    timeout: 20_000,
    killSignal: 'SIGKILL',
    env: { ...process.env, XDG_RUNTIME_DIR: runtime },
  })
  return { status: started.status, stdout: started.stdout, said: started.stderr.toString() }
}

it('a script is read from standard input, to where it ends', () => {
  const script = 'echo one\necho two\nexit 4\necho never\n'
  const { status, stdout } = shell('$cnilab exec -- sh -s', script)
  expect([status, stdout.toString()]).toEqual([4, 'one\ntwo\n'])
})

it.each([0, 1, 65_536, 65_537, 8 * 1024 * 1024])('%i bytes of any kind come out as they went in', (size) => {
  const bytes = randomBytes(size)
  const { status, stdout, said } = shell('$cnilab exec -- cat', bytes)
  expect([status, said, stdout.equals(bytes)]).toEqual([0, '', true])
})

it('what is read slowly is not lost, nor held in memory', () => {
  const line = '$cnilab exec -- head -c 64000000 /dev/zero | { sleep 1; wc -c; }'
  expect(shell(line).stdout.toString().trim()).toBe('64000000')
})

it('standard output and standard error stay apart', () => {
  const { status, stdout, said } = shell(`$cnilab exec -- sh -c 'echo out; echo err >&2; exit 5'`)
  expect([status, stdout.toString(), said]).toEqual([5, 'out\n', 'err\n'])
})

it.each([
  ['stdout', '$cnilab exec -- yes 4715 | head -1'],
  ['stderr', "{ $cnilab exec -- sh -c 'exec yes 4715 >&2' 3>&1 >&- 2>&3 3>&- | head -1; }"],
  ['stdout, by and by', "$cnilab exec -- sh -c 'while sleep 0.1; do echo 4715; done' | head -1"],
])('a program whose %s nobody reads any more ends', async (_, line) => {
  const { status, stdout } = shell(line)
  expect([status, stdout.toString()]).toEqual([0, '4715\n'])
  expect(await eventually(() => processesWith('4715').length === 0)).toBe(true)
})

it('a program that does not read does not wait for who writes', async () => {
  const child = spawn(process.execPath, [program, 'exec', '--', 'echo', 'done'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  const code = await new Promise((resolve) => {
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000)
    child.on('exit', (status) => {
      clearTimeout(late)
      resolve(status)
    })
  })
  child.stdin.destroy()
  expect(code).toBe(0)
})
