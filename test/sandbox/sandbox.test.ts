import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { startTime } from '../../src/kernel/processes.ts'
import { isHolder, listSandboxes } from '../../src/sandbox/find.ts'
import { cli, eventually, processesWith, removeSandboxes, program, runtime, withSandbox } from '../helpers.ts'

/** The machine's own links, without what changes by itself. */
function machineLinks(): string {
  return execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' })
}

it('writes nothing of the machine and cannot make it writable', () =>
  withSandbox(async (kernel) => {
    for (const script of [
      'touch /usr/cnilab-test',
      'mount -o remount,bind,rw /usr && touch /usr/cnilab-test',
      'umount /usr',
      'touch /opt/cnilab/app/dist/cnilab-test',
      'echo >>/opt/cnilab/node',
      'echo 1 >/proc/sys/kernel/panic',
    ])
      expect([script, (await kernel.probe(['sh', '-c', script])).code]).not.toEqual([script, 0])
    expect((await kernel.probe(['sh', '-c', 'touch /tmp/x /run/x && echo well'])).stdout).toBe('well\n')
  }))

it('leaves the links and the forwarding of the machine alone', async () => {
  const before = machineLinks()
  await withSandbox(async (kernel) => {
    await kernel.run([
      { tool: 'ip', argv: ['link', 'add', 'name', 'cnilab-test', 'type', 'bridge'] },
      { tool: 'sysctl', argv: ['-w', 'net.ipv4.ip_forward=1'] },
    ])
    expect((await kernel.probe(['ls', '/sys/class/net'])).stdout.split('\n')).toContain('cnilab-test')
    expect(machineLinks()).toBe(before)
  })
  expect(machineLinks()).toBe(before)
})

it('starts in a known state', () =>
  withSandbox(async (kernel) => {
    const { stdout } = await kernel.probe([
      'sh',
      '-c',
      'cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null; ls /sys/class/net; ls /run/netns',
    ])
    expect(
      stdout
        .replace('bonding_masters\n', '')
        .split('\n')
        .filter((line) => line !== '0' && line !== ''),
    ).toEqual(['eth0', 'lo', 'internet'])
    expect(
      (await kernel.probe(['ps', '-eo', 'args'])).stdout
        .split('\n')
        .filter(
          (line) => line !== '' && !line.startsWith('ps ') && !line.startsWith('sh -c trap ') && line !== 'COMMAND',
        ),
    ).toEqual(['sh /opt/cnilab/holder test'])
  }))

it('has an internet that answers and knows no way back but its own subnet', () =>
  withSandbox(async (kernel) => {
    const routes = z.array(z.looseObject({ dst: z.string(), gateway: z.string().optional() }))
    const own = routes.parse(JSON.parse((await kernel.probe(['ip', '-j', 'route'])).stdout))
    const gateway = own.find((route) => route.dst === 'default')?.gateway
    expect(gateway).toBe('203.0.113.1')
    expect((await kernel.probe(['ping', '-c1', '-W2', '203.0.113.1'])).code).toBe(0)
    expect(
      routes
        .parse(JSON.parse((await kernel.probe(['ip', '-j', 'route'], 'internet')).stdout))
        .map((route) => route.dst),
    ).toEqual(['203.0.113.0/24'])
  }))

it('ends with the process that made it', async () => {
  await withSandbox(async (_kernel, live) => {
    live.end()
    expect(await eventually(() => processesWith(`${runtime}/cnilab/test~`).length === 0)).toBe(true)
    expect(await eventually(() => !existsSync(join(runtime, 'cnilab')))).toBe(true)
  })
})

it('does not end with a process in it that has lost its parent', () =>
  withSandbox(async (kernel) => {
    for (const seconds of ['0.1', '0.2', '0.2'])
      await kernel.probe(['sh', '-c', `sleep ${seconds} </dev/null >/dev/null 2>&1 &`])
    await kernel.probe(['sleep', '0.5'])
    const { stdout } = await kernel.probe(['ps', '-eo', 'stat,args'])
    expect(stdout).toContain('/opt/cnilab/holder')
    expect(stdout).not.toMatch(/^Z/m)
  }))

it('is made once by commands that ask at the same time, and two do not see each other', async () => {
  const runs = await Promise.all(Array.from({ length: 5 }, () => cli(['netns', 'list', '--sandbox', 'one'])))
  expect(runs.map((run) => run.code)).toEqual([0, 0, 0, 0, 0])
  expect(runs.filter((run) => run.stderr.includes("sandbox 'one' started"))).toHaveLength(1)
  expect((await cli(['netns', 'create', 'red', '--sandbox', 'one'])).code).toBe(0)
  expect((await cli(['netns', 'list', '--json', '--sandbox', 'two'])).stdout).toContain('"containers": []')
  expect(listSandboxes().map(({ name }) => name)).toEqual(['one', 'two'])
  expect((await cli(['sandbox', 'delete', 'two'])).code).toBe(0)
  expect((await cli(['sandbox', 'delete', 'two'])).code).toBe(1)
  expect((await cli(['sandbox', 'delete', 'one'])).stdout).toContain("Removed sandbox 'one'")
  expect(await eventually(() => !existsSync(join(runtime, 'cnilab')))).toBe(true)
})

it('is made anew when its holder was killed by hand', async () => {
  expect((await cli(['netns', 'create', 'red'])).code).toBe(0)
  const [sandbox] = listSandboxes()
  process.kill(sandbox?.pid ?? 0, 'SIGKILL')
  expect(await eventually(() => startTime(sandbox?.pid ?? 0) === undefined)).toBe(true)
  const { code, stdout, stderr } = await cli(['netns', 'list', '--json'])
  expect([code, stdout.includes('"containers": []')]).toEqual([0, true])
  expect(stderr).toBe(
    "sandbox 'default' had died, and everything in it is gone\nsandbox 'default' started · cnilab clean removes it\n",
  )
  await removeSandboxes()
})

it('runs programs with their own input, output and status', async () => {
  expect((await cli(['exec', '--', 'cat'], 'hello')).stdout).toBe('hello')
  expect((await cli(['exec', '--', 'echo', 'a', 'b', 'a', '--', '--netns', 'a'])).stdout).toBe('a b a -- --netns a\n')
  expect((await cli(['exec', '--', 'sh', '-c', 'exit 7'])).code).toBe(7)
  expect((await cli(['exec', '--', 'sh', '-c', 'kill -9 $$'])).code).toBe(137)
  expect((await cli(['exec', '--', 'no-such-program'])).code).toBe(127)
  expect((await cli(['exec', '--netns', 'nowhere', '--', 'true'])).code).toBe(1)
  const inside = await cli(['exec', '--', 'cnilab', 'netns', 'create', 'red'])
  expect([inside.code, inside.stderr]).toEqual([0, ''])
  expect((await cli(['exec', '--netns', 'red', '--', 'ip', '-br', 'link'])).stdout).toMatch(/^lo /)
  await removeSandboxes()
})

it('a program ends with the exec that runs it', async () => {
  const { code } = await cli(['exec', '--', 'sleep', '4711'], '', (kill) => setTimeout(() => kill('SIGTERM'), 1500))
  expect(code).not.toBe(0)
  expect(await eventually(() => processesWith('sleep\x004711').length === 0)).toBe(true)
  await removeSandboxes()
})

it('clean ends all of them, also one whose record was lost', () => {
  // In a pid namespace of its own, because clean looks for holders in /proc: those of other tests must not be there.
  const asUser = process.getuid?.() === 0 ? [] : ['-U', '--map-current-user', '--keep-caps']
  const script = `cnilab() { "${process.execPath}" "${program}" "$@" 2>/dev/null; }
    holders() { for file in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <"$file"; echo; done 2>/dev/null | sed -n 's|^sh /opt/cnilab/holder \\([a-z]*\\) $|holder \\1|p'; }
    cnilab netns list --sandbox one >/dev/null; cnilab netns list --sandbox two >/dev/null; holders
    rm -rf "$XDG_RUNTIME_DIR"/cnilab/one~*; cnilab clean; holders; ls "$XDG_RUNTIME_DIR/cnilab"; cnilab clean`
  const output = execFileSync('unshare', [...asUser, '-p', '-f', '--mount-proc', 'sh', '-c', script], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1' },
  })
  expect(output.split('\n').toSorted()).toEqual(
    [
      '',
      'nothing to remove',
      'holder one',
      'holder two',
      "✔ Removed sandbox 'one'",
      "✔ Removed sandbox 'two'",
    ].toSorted(),
  )
})

it('has settings of its own, whatever the machine has, and changes none of the machine', async () => {
  const keys = ['ip_forward', 'conf/all/rp_filter', 'conf/default/rp_filter', 'conf/all/forwarding']
  const machine = () => keys.map((key) => readFileSync(`/proc/sys/net/ipv4/${key}`, 'utf8'))
  const before = machine()
  await withSandbox(async (kernel) => {
    const own = async () =>
      (await kernel.probe(['cat', ...keys.map((key) => `/proc/sys/net/ipv4/${key}`)])).stdout.split('\n')
    expect(await own()).toEqual(['0', '2', '2', '0', ''])
    for (const key of keys) expect((await kernel.probe(['sh', '-c', `echo 1 >/proc/sys/net/ipv4/${key}`])).code).toBe(0)
    expect(await own()).toEqual(['1', '1', '1', '1', ''])
    expect(machine()).toEqual(before)
  })
})

it.skipIf(process.getuid?.() !== 0)('of root is out of reach for daemons that run as nobody (needs root)', () =>
  withSandbox((_kernel, live) => {
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
    const { pid } = live.sandbox
    for (const words of [`kill -0 ${pid}`, `nsenter -t ${pid} -U true`, `ls /proc/${pid}/root`]) {
      const { status } = spawnSync('setpriv', [...nobody, 'sh', '-c', words])
      expect([words, status === 0]).toEqual([words, false])
    }
    return Promise.resolve()
  }),
)

it('is kept in no folder that others can look into', async () => {
  const open = mkdtempSync(join(tmpdir(), 'cnilab-test-'))
  try {
    mkdirSync(join(open, 'cnilab'), { mode: 0o755 })
    const { code, stderr } = await cli(['netns', 'list'], '', undefined, { XDG_RUNTIME_DIR: open })
    expect([code, stderr.includes('is not a private folder of yours')]).toEqual([3, true])
  } finally {
    rmSync(open, { recursive: true, force: true })
  }
})

it('is known by more than its pid', async () => {
  await cli(['netns', 'list'])
  const [sandbox] = listSandboxes()
  const file = join(sandbox?.folder ?? '', 'sandbox.json')
  const record = readFileSync(file, 'utf8')
  for (const changed of [
    record.replace(/"started":"\d+"/, '"started":"1"'),
    record.replace(
      /"pid":\d+,"started":"\d+"/,
      `"pid":${process.pid},"started":${JSON.stringify(startTime(process.pid))}`,
    ),
  ]) {
    writeFileSync(file, changed)
    expect(isHolder(z.looseObject({ pid: z.number(), started: z.string() }).parse(JSON.parse(changed)))).toBe(false)
  }
  writeFileSync(file, record)
  expect(listSandboxes()).toEqual([sandbox])
  await removeSandboxes()
})

it('cannot uncover the /proc and /sys of the machine', () =>
  withSandbox(async (kernel) => {
    for (const point of ['/proc', '/sys']) expect((await kernel.probe(['umount', '-l', point])).code).not.toBe(0)
    const { stdout } = await kernel.probe(['sh', '-c', 'ls /proc | grep -c "^[0-9]*$"; ls /sys/class/net'])
    expect(stdout.split('\n').slice(1)).toEqual(['eth0', 'lo', ''])
    expect(Number(stdout.split('\n')[0])).toBeLessThan(8)
  }))

it('leaves no shared memory, and is given things that it cannot change', async () => {
  const segments = () => execFileSync('ipcs', ['-m'], { encoding: 'utf8' })
  const before = segments()
  await withSandbox(async (kernel, live) => {
    expect((await kernel.probe(['ipcmk', '-M', '4096'])).code).toBe(0)
    expect(segments()).toBe(before)
    for (const script of [
      'echo x >/opt/cnilab/given/sandbox.json',
      'mv /opt/cnilab/given /run/x',
      'touch /opt/cnilab/given/x',
    ])
      expect([script, (await kernel.probe(['sh', '-c', script])).code === 0]).toEqual([script, false])
    expect(listSandboxes().some(({ pid }) => pid === live.sandbox.pid)).toBe(true)
  })
  expect(segments()).toBe(before)
})

it('sees no process of the machine and cannot leave by /proc', () =>
  withSandbox(async (kernel) => {
    const { stdout } = await kernel.probe(['sh', '-c', 'ls /proc | grep -c "^[0-9]*$"'])
    expect(Number(stdout)).toBeLessThan(6) // the holder and the probe itself
    expect((await kernel.probe(['kill', '-0', String(process.pid)])).code).not.toBe(0)
    const { code, stdout: links } = await kernel.probe(['nsenter', '-t', '1', '-n', 'ip', '-br', 'link'])
    expect([code, links.split('\n').map((line) => line.split(/[ @]/)[0])]).toEqual([0, ['lo', 'eth0', '']])
  }))

it('each has its own links: what is made in one is not in the other', () =>
  withSandbox((one) =>
    withSandbox(async (two) => {
      await one.run([{ tool: 'ip', argv: ['link', 'add', 'name', 'mine', 'type', 'bridge'] }])
      await one.run([{ tool: 'ip', argv: ['netns', 'add', 'mine'] }])
      await one.probe(['touch', '/tmp/mine'])
      expect((await one.probe(['ls', '/tmp', '/run/netns', '/sys/class/net'])).stdout).toContain('mine')
      expect((await two.probe(['ls', '/tmp', '/run/netns', '/sys/class/net'])).stdout).not.toContain('mine')
    }),
  ))

it('cnilab acts in its own sandbox also from within a container of it', async () => {
  await cli(['netns', 'create', 'red', '--sandbox', 'inner'])
  const { code, stdout } = await cli(['exec', '--sandbox', 'inner', '--netns', 'red', '--', 'cnilab', 'netns', 'list'])
  await cli(['sandbox', 'delete', 'inner'])
  expect([code, stdout.includes('red')]).toEqual([0, true])
})

it('survives the clean of another runtime folder, which removes its own alone', async () => {
  const other = mkdtempSync(join(tmpdir(), 'cnilab-test-'))
  const elsewhere = { XDG_RUNTIME_DIR: other }
  try {
    expect((await cli(['netns', 'create', 'red'])).code).toBe(0)
    expect((await cli(['netns', 'create', 'blue'], '', undefined, elsewhere)).code).toBe(0)
    expect(await cli(['clean'], '', undefined, elsewhere)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("Removed sandbox 'default'"),
      stderr: '',
    })
    expect((await cli(['netns', 'list', '--json'])).stdout).toContain('"name": "red"')
    expect(processesWith(`${other}/cnilab`)).toEqual([])
  } finally {
    rmSync(other, { recursive: true, force: true })
    await removeSandboxes()
  }
})

it('a link in place of a namespace does not lead to the machine', async () => {
  const there = ['exec', '--sandbox', 'links']
  await cli([...there, '--', 'ln', '-s', `/proc/${process.pid}/ns/net`, '/run/netns/x'])
  const { code, stdout, stderr } = await cli([...there, '--netns', 'x', '--', 'readlink', '/proc/self/ns/net'])
  expect([code, stdout, stderr.includes('/run/netns/x')]).toEqual([1, '', true])
})

it.each([
  ['sandbox list', 2],
  ['sandbox delete default', 2],
  ['clean', 2],
  ['doctor', 2],
  ['netns list --sandbox other', 2],
  ['netns create red --sandbox other', 2],
  ['netns list', 0],
  ['netns list --sandbox inner', 0],
])('inside a sandbox, cnilab %s exits with %i', async (args, code) => {
  const done = await cli(['exec', '--sandbox', 'inner', '--', 'cnilab', ...args.split(' ')], '', undefined, {
    CNILAB_SANDBOX: 'elsewhere',
  })
  expect([done.code, done.stderr.includes("inside the sandbox 'inner'")]).toEqual([code, code === 2])
})
