import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Run } from '../helpers.ts'
import { some } from '../long.ts'

const isRoot = process.getuid?.() === 0
const project = join(import.meta.dirname, '..', '..')

/** A mount namespace of its own, with the program in /mnt and an empty /tmp: nothing stays, and folders can be spoilt. */
const ALONE = isRoot
  ? ['unshare', '--mount', '--propagation', 'private', '--']
  : ['unshare', '--user', '--map-root-user', '--mount', '--propagation', 'private', '--']
const PREPARE = `mount -t tmpfs none /mnt && mkdir /mnt/app && mount --bind "$1" /mnt/app
: >/mnt/node && mount --bind "$2" /mnt/node
mount -t tmpfs -o mode=1777 none /tmp && cd /tmp`

/** A uid that has no entry in passwd(5), and no other variables than those given. */
const NOBODY_KNOWN = isRoot
  ? 'setpriv --reuid=1234 --regid=1234 --clear-groups env -i PATH=$PATH'
  : 'unshare --user --map-user=1234 --map-group=1234 env -i PATH=$PATH'
const SAME = 'env XDG_RUNTIME_DIR= XDG_STATE_HOME= NO_COLOR=1'
const CNILAB = '/mnt/node /mnt/app/dist/src/cnilab.js'

/** Runs a script there; `$as` is to stand in front of the program's `$cnilab`. Ends it after 50 seconds: code null. */
function run(script: string, as = SAME): Promise<Run> {
  const text = `${PREPARE}\nas="${as}" cnilab="${CNILAB}"\n${script}`
  const [file, ...rest]: string[] = [...ALONE, 'sh', '-c', text, 'sh', project, process.execPath]
  const child = spawn(file ?? '', rest, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000, killSignal: 'SIGKILL' })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
}

/** Runs a command of the program, and then `clean`, so that no sandbox outlives it. */
function command(words: string, { as = SAME, vars = '', before = ':', after = '' } = {}): Promise<Run> {
  return run(
    `${before}\n$as ${vars} $cnilab ${words} ${after}\nstatus=$?\n$as ${vars} $cnilab clean >&2\nexit $status`,
    as,
  )
}

/** What no environment may lead to. */
// oxlint-disable-next-line vitest/no-standalone-expect -- a part of what tests expect
const NO_DUMP: unknown = expect.not.stringMatching(/bug in cnilab|^ +at |node:internal/m)

describe('a user without an entry in passwd, without a home and a shell', () => {
  it.each([
    ['--help', 0],
    ['--version', 0],
    ['lab list', 0],
    ['netns create red', 0],
    ['lab run --auto', 0],
    ['exec -- true', 0],
    ['doctor', 0],
    ['nosuch', 2],
    ['clean', 0],
  ])('%s: %i', async (words, code) => {
    expect(await command(words, { as: NOBODY_KNOWN })).toEqual({ code, stdout: expect.anything(), stderr: NO_DUMP })
  })
})

const everyXdg = (value: string) =>
  ['RUNTIME_DIR', 'CACHE_HOME', 'STATE_HOME', 'CONFIG_HOME', 'DATA_HOME']
    .map((name) => `XDG_${name}=${value}`)
    .join(' ')

describe('variables of any value', () => {
  it.each([
    ['HOME= SHELL='],
    ['HOME=relative SHELL=/no/such'],
    ['HOME=/proc/1'],
    ['HOME=/dev/null'],
    ...['relative', '/dev/null', '/tmp/no/such'].map((value) => [everyXdg(value)]),
    [everyXdg('/proc/1').replace('XDG_RUNTIME_DIR=/proc/1', '')],
    ['TMPDIR=/no/such'],
    ['TMPDIR=relative PATH=relative:::/no/such'],
  ])('%s: a sandbox is made', async (vars) => {
    const done = await command('netns create red', { vars })
    expect(done).toEqual({ code: 0, stdout: expect.stringContaining('red'), stderr: NO_DUMP })
    expect(done.stderr).toContain("Removed sandbox 'default'") // what the next command finds, too
  })

  it.each([
    'TERM= LINES=-1 COLUMNS=0 FORCE_COLOR=9 NO_COLOR=',
    'TERM=dumb COLUMNS=99999999999 FORCE_COLOR=bogus',
    "LANG=xx LC_ALL=../../x TZ=:/etc/passwd DEBUG='*' CNILAB_DEBUG=1 NODE_ENV=development",
    'NODE_OPTIONS=--trace-uncaught NODE_PATH=/no UV_THREADPOOL_SIZE=0',
    'CNI_PATH=::: NETCONFPATH=/dev/zero CNILAB_DATA_DIR=/dev/null CNILAB_CONFIG_DIR=/dev/null',
  ])('%s: what is shown is the same', async (vars) => {
    const script = ['lab run --dry-run', '--help', 'nosuch'].map((words) => `$as ${vars} $cnilab ${words}`)
    const { code, stdout, stderr } = await run(script.join(' && '))
    expect([code, stderr]).toEqual([2, NO_DUMP])
    expect(stdout).toMatch(/ip netns add red.*TOPICS/s)
    expect(stderr).toContain("there is no command 'nosuch'")
  })

  it.each(some(['development', 'test', 'production'], 3))('NODE_ENV=%s is meant for other programs', async (value) => {
    const script = ['lab run --dry-run', 'lab show a b'].map((words) => `$as NODE_ENV=${value} $cnilab ${words}`)
    const { code, stderr } = await run(script.join(' && '))
    expect([code, stderr.split('\n')]).toEqual([2, ['Error: Unexpected argument: b', expect.any(String), '']])
  })

  it.each(some(['SHELL=', 'SHELL=/usr/sbin/nologin', 'SHELL=/bin/false', 'SHELL=/dev/zero'], 2))(
    '%s: there is a shell all the same',
    async (vars) => {
      const script = `echo 'echo is $((40 + 2)); exit' | SHELL=/bin/sh script -qec "$as ${vars} $cnilab shell" /dev/null; $as $cnilab clean`
      expect(await run(script)).toEqual({ code: 0, stdout: expect.stringContaining('is 42'), stderr: NO_DUMP })
    },
  )

  it.skipIf(!isRoot)('a runtime folder in which none can be made', async () => {
    const { code, stderr } = await command('netns create red', { vars: 'XDG_RUNTIME_DIR=/proc/1' })
    expect([code, stderr]).toEqual([3, NO_DUMP])
    expect(stderr).toContain('what to do: set XDG_RUNTIME_DIR to a folder of your own')
  })

  it('a lab begun with a home that cannot be written goes on, and says where it cannot be noted', async () => {
    const script = ['lab start eight-steps', 'lab solve --yes', 'lab status', 'lab stop', 'clean']
      .map((words) => `$as HOME=/proc/1 $cnilab ${words} || exit 9`)
      .join('\n')
    expect(await run(script)).toEqual({ code: 0, stdout: expect.stringContaining('netns'), stderr: NO_DUMP })
  })

  it('nothing is read from folders that the environment names but what is ours', async () => {
    const before = `mkdir -p /tmp/home/.config/cnilab /tmp/home/.local/share/cnilab
mkfifo /tmp/home/.config/cnilab/theme.json /tmp/home/.local/share/cnilab/package.json`
    expect(await command('netns --help', { before, vars: 'HOME=/tmp/home' })).toMatchObject({ code: 0 })
  })
})

it.each([
  ['077', isRoot ? SAME : NOBODY_KNOWN],
  ['222', NOBODY_KNOWN],
  ['777', isRoot ? SAME : NOBODY_KNOWN],
])('umask %s', async (umask, as) => {
  const script = [
    'exec -- cnilab netns create red',
    'bridge add web red',
    'lab start eight-steps --sandbox lab',
    'lab solve --yes --sandbox lab',
    'clean',
  ].map((words) => `$as $cnilab ${words} || exit 9`)
  expect(await run([`umask ${umask}`, ...script].join('\n'), as)).toMatchObject({ code: 0, stderr: NO_DUMP })
})

it.each(['netns list', 'lab run --auto'])('ulimit -n 28: %s says what is lacking', async (words) => {
  const { code, stderr } = await command(words, { before: 'ulimit -n 28' })
  expect([code, stderr]).toEqual([3, NO_DUMP])
  expect(stderr).toContain('what to do: too many files are open: raise ulimit -n')
})

it.each(['netns list', 'lab run --auto'])('ulimit -f 10: %s says what is lacking', async (words) => {
  const { code, stderr } = await command(words, { before: 'ulimit -f 10' })
  expect([code, stderr]).toEqual([3, NO_DUMP])
  expect(stderr).toContain('what to do: the limit on the size of files is too low: raise ulimit -f')
})

describe.skipIf(!isRoot)('few processes, of a user who has no others (needs root)', () => {
  // Node itself needs eleven or so, and aborts where it has less.
  it.each(some([14, 16, 18, 20, 22], 3))('ulimit -u %i', async (most) => {
    const as = 'setpriv --reuid=4998 --regid=4998 --clear-groups env -i PATH=$PATH NO_COLOR=1'
    const limited = `prlimit --nproc=${most} $as`
    const script = ['netns create red', 'lab run --auto'].map((words) => `${limited} $cnilab ${words}; echo "= $?"`)
    const { code, stdout, stderr } = await run([...script, '$as $cnilab clean; ls /tmp'].join('\n'), as)
    const codes = [...stdout.matchAll(/^= (\d+)$/gm)].map(([, status]) => Number(status))
    expect([code, codes.length, codes.filter((one) => ![0, 3].includes(one)), stderr]).toEqual([0, 2, [], NO_DUMP])
    expect(stderr.match(/^Error: .*\n.*what to do: too many processes/gm) ?? []).toHaveLength(
      codes.filter((one) => one === 3).length,
    )
    expect(stdout).toMatch(/(nothing to remove|Removed sandbox 'default')\n$/)
  })
})

// Of root itself nothing is counted: the limit holds in the sandbox alone.
it.skipIf(!isRoot).each([2, 4])(
  '%i processes in a sandbox: exec says that they are too few (needs root)',
  async (most) => {
    const script = `$as $cnilab netns list && prlimit --nproc=${most} $as $cnilab exec -- true`
    const started = performance.now()
    expect(await run(`${script}; status=$?; $as $cnilab clean; exit $status`)).toEqual({
      code: 3,
      stdout: expect.anything(),
      stderr: expect.stringMatching(/could not start a responder in internet: .*\n.*what to do: too many processes/),
    })
    expect(performance.now() - started).toBeLessThan(20_000)
  },
)

describe('closed and odd descriptors', () => {
  it.each(['<&-', '<&- >&- 2>&-', '</dev/zero', '</'])('%s', async (after) => {
    expect(await command('netns create red', { after })).toEqual({
      code: 0,
      stdout: expect.anything(),
      stderr: NO_DUMP,
    })
  })

  it('a full standard output', async () => {
    for (const words of ['netns list --json', '--help']) {
      const { code, stderr } = await command(words, { after: '>/dev/full' })
      expect([words, code, stderr]).toEqual([words, 1, NO_DUMP])
      expect(stderr).toContain('could not write the result')
    }
  })
})

it.each([
  ['exec -- true', 0],
  ['lab show ./x.yaml', 2],
  ['bridge add web red --config x.conf', 2],
])('a current folder that was deleted: %s: %i', async (words, code) => {
  const before = 'mkdir /tmp/gone; cd /tmp/gone; rmdir /tmp/gone'
  expect(await command(words, { before })).toEqual({ code, stdout: expect.anything(), stderr: NO_DUMP })
})

describe.each([
  [
    'full',
    (folder: string) =>
      `mount -t tmpfs -o size=64k,mode=1777 full ${folder}; cat /dev/zero >${folder}/fill 2>/dev/null`,
  ],
  ['without inodes', (folder: string) => `mount -t tmpfs -o nr_inodes=3,mode=1777 none ${folder}`],
  ['read-only', (folder: string) => `mount -t tmpfs -o ro,mode=1777 none ${folder}`],
])('a file system that is %s', (_, spoil) => {
  it('as the runtime folder and /tmp: what is lacking, and how to mend it', async () => {
    for (const words of ['netns create red', 'lab run --auto', 'doctor']) {
      const { code, stdout, stderr } = await command(words, { before: spoil('/tmp'), as: NOBODY_KNOWN })
      expect([words, code, stderr]).toEqual([words, 3, NO_DUMP])
      expect(`${stdout}${stderr}`).toMatch(/[Nn]o space (is )?left|[Rr]ead-only/)
      expect(`${stdout}${stderr}`).toMatch(/make room|room in it/)
    }
  })

  it('as the home: labs go on', async () => {
    const before = `mkdir /tmp/home; ${spoil('/tmp/home')}`
    for (const words of ['lab start eight-steps', 'lab run --auto'])
      expect(await command(words, { before, vars: 'HOME=/tmp/home', as: NOBODY_KNOWN })).toMatchObject({
        code: 0,
        stderr: NO_DUMP,
      })
  })

  it.skipIf(!isRoot)('as /run and /dev/shm: a plugin answers', async () => {
    const plugin = `printf '{"cniVersion":"1.1.0","name":"n","type":"bridge"}' |
unshare --net env CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_IFNAME=eth0 CNI_NETNS=/proc/1/ns/net CNI_PATH=/x /mnt/node /mnt/app/dist/plugins/main.cjs bridge`
    const { code, stdout } = await run(`${spoil('/run')}; ${spoil('/dev/shm')}; ${plugin}`)
    expect([code, stdout]).toEqual([1, NO_DUMP])
    expect(JSON.parse(stdout)).toMatchObject({ code: expect.any(Number), msg: expect.any(String) })
  })
})
