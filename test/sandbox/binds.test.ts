import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { cli, removeSandboxes, shellOnTerminal, program } from '../helpers.ts'
import { makeOdd } from '../odd-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'cnilab-bind-'))
const bound = join(folder, 'a folder #1')
const other = join(folder, 'other')
mkdirSync(join(bound, 'deep'), { recursive: true })
mkdirSync(other)
writeFileSync(join(bound, 'deep', 'file'), 'of the machine\n', { mode: 0o666 })
writeFileSync(join(other, 'file'), 'another\n')
symlinkSync(bound, join(folder, 'link'))
makeOdd('pipe', join(bound, 'pipe'))
makeOdd('socket', join(bound, 'socket'))
// For root's sandbox, which belongs to another user: what keeps it from writing is not the mode.
execFileSync('chmod', ['-R', 'a+rwX', folder])

afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(removeSandboxes)

/** Runs a shell program in a sandbox, and returns what it prints. `$1` is the folder that is bound. */
async function inside(script: string, ...flags: string[]): Promise<string> {
  const { stdout } = await cli([
    'exec',
    '--bind',
    bound,
    ...flags,
    '--',
    'sh',
    '-c',
    `exec 2>&1; ${script}`,
    'sh',
    bound,
  ])
  return stdout
}

describe('a folder that is bound', () => {
  it('is seen under its own path, and nothing beside it', async () => {
    expect(await inside('cat "$1/deep/file"; ls "$1/.."; ls "$1"')).toBe(
      'of the machine\na folder #1\ndeep\npipe\nsocket\n',
    )
  })

  it('by a link is seen where it really is; twice, or two, do no harm', async () => {
    const flags = ['--bind', join(folder, 'link'), '--bind', other]
    expect(await inside(`cat "$1/deep/file" ${other}/file; ls ${folder}`, ...flags)).toBe(
      'of the machine\nanother\na folder #1\nother\n',
    )
  })

  it('is seen in a shell', async () => {
    const line = `SHELL=/bin/sh "${process.execPath}" "${program}" shell --bind '${bound}'`
    const { code, screen } = await shellOnTerminal(line, [['$ ', `cat '${bound}/deep/file'; exit 5\r`]])
    expect([code, screen]).toEqual([5, expect.stringContaining('of the machine\r\n')])
  })

  it('cannot be changed', async () => {
    const ways = [
      'echo x >"$1/deep/file"',
      'echo x >"$1/new"',
      'rm "$1/deep/file"',
      'chmod 0 "$1/deep/file"',
      'touch "$1/deep/file"',
      'mount -o remount,rw "$1" && echo x >"$1/new"',
      'mount -o remount,bind,rw "$1" && echo x >"$1/new"',
      'umount -l "$1" && echo x >"$1/new"',
      'echo x >/opt/cnilab/bound/0/folder/new && ls "$1/new"',
    ]
    const tried = ways.map((way) => `(${way}) >/dev/null 2>&1 && echo '${way}'`).join('\n')
    expect(await inside(`${tried}\ncat "$1/deep/file"`)).toBe('of the machine\n')
    expect(execFileSync('ls', [bound], { encoding: 'utf8' })).toBe('deep\npipe\nsocket\n')
  })

  it('holds pipes and sockets that lead nowhere', async () => {
    const writer = spawn('sh', ['-c', 'echo secret >"$1"', 'sh', join(bound, 'pipe')], { detached: true })
    const server = createServer().listen(join(bound, 'live'))
    chmodSync(join(bound, 'live'), 0o777)
    const connect =
      'net.connect(process.argv[1]).on("connect", () => console.log("connected")).on("error", ({ code }) => console.log(code))'
    try {
      expect(
        await inside(
          `timeout 1 cat "$1/pipe"; echo "pipe $?"; for s in live socket; do /opt/cnilab/node -e '${connect}' "$1/$s"; done`,
        ),
      ).toBe('pipe 124\nECONNREFUSED\nECONNREFUSED\n')
    } finally {
      server.close()
      writer.kill('SIGKILL')
    }
  })
})

it.each([
  ['exec', ['exec', '--bind', bound, '--', 'true']],
  ['another folder', ['exec', '--bind', other, '--bind', bound, '--', 'true']],
])('a sandbox that lives already does not get one: %s', async (_, args) => {
  expect((await cli(['exec', ...(args.includes(other) ? ['--bind', other] : []), '--', 'true'])).code).toBe(0)
  const { code, stderr } = await cli(args)
  expect([code, stderr]).toEqual([2, expect.stringContaining(`the sandbox 'default' was made without ${bound}\n`)])
  expect(stderr).toContain('what to do: cnilab sandbox delete default')
})

it('who needs less than is bound, or the same, is served', async () => {
  await inside('true', '--bind', other)
  expect(await inside('cat "$1/deep/file"')).toBe('of the machine\n')
  expect((await cli(['exec', '--', 'ls', folder])).stdout).toBe('a folder #1\nother\n')
})

it.each([
  ['/', 'the sandbox has a /dev of its own'],
  ['/tmp', 'the sandbox has a /tmp of its own'],
  ['/etc/..', 'the sandbox has a /dev of its own'],
  ['/usr/share', 'the sandbox has a /usr of its own'],
  ['/proc/self', 'the sandbox has a /proc of its own'],
  [join(bound, 'deep', 'file'), 'is not one'],
  [join(bound, 'pipe'), 'is not one'],
  [join(bound, 'nothing'), 'is not one'],
  ['', 'is not one'],
])("--bind '%s' is refused", async (path, why) => {
  const { code, stderr } = await cli(['exec', '--bind', path, '--', 'true'])
  expect([code, stderr]).toEqual([2, expect.stringContaining(why)])
  expect(stderr).not.toContain('started')
})

it('--bind is for a sandbox, and for one that is made', async () => {
  expect(await cli(['exec', '--host', '--bind', bound, '--', 'true'])).toMatchObject({ code: 2 })
  expect(await cli(['exec', '--', 'cnilab', 'exec', '--bind', '/root/..', '--', 'true'])).toMatchObject({ code: 2 })
  expect(await cli(['exec', '--', 'sh', '-c', 'mkdir /new; cnilab exec --bind /new -- true'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("this is inside 'default'"),
  })
})

describe('no lab runs where a folder is bound', () => {
  it('by any command', async () => {
    await inside('true')
    for (const words of ['lab start eight-steps', 'lab run eight-steps --auto --keep', 'step', 'step 1']) {
      const { code, stdout, stderr } = await cli(words.split(' '))
      expect([words, code, stdout]).toEqual([words, 1, ''])
      expect(stderr).toMatch(/^Error: no lab runs in the sandbox 'default', which shows folders of this machine: /)
    }
    expect(await inside('ip netns')).not.toContain('red')
    expect((await cli(['lab', 'status'])).stderr).toContain('no lab is running here')
  })

  it('no lab can ask for it', async () => {
    expect((await cli(['lab', 'run', 'eight-steps', '--bind', bound])).code).toBe(2)
    const lab = { version: 1, id: 'b', title: 'B', text: 't', bind: [bound], steps: [] }
    const file = join(folder, 'lab.yaml')
    const step = { id: 'a', title: 'A', text: 't', operations: [{ netns: { name: 'red' } }] }
    for (const given of [
      { ...lab, steps: [step] },
      { ...lab, bind: undefined, steps: [{ ...step, bind: [bound] }] },
      { ...lab, bind: undefined, steps: [{ ...step, run: [{ argv: ['true'], bind: [bound] }] }] },
    ]) {
      writeFileSync(file, JSON.stringify(given))
      expect(await cli(['lab', 'run', file, '--auto'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("unknown key 'bind'"),
      })
    }
  })
})
