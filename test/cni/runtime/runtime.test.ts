import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cli, onEmptyMachine, onTerminal, program, runtime } from '../../helpers.ts'

const RESULTS = '/var/lib/cni/results'
/** Where the plugins of these tests are, in the sandbox, and what they were given. */
const [PLUGINS, SEEN] = ['/var/lib/plugins', '/var/lib/seen']

/**
 * A plugin that writes down what it is given, in the order of the calls. What it answers is in its configuration: the
 * keys `ADD`, `DEL`, … hold an error, and `ok` the result of ADD, which is `prevResult` otherwise.
 */
const PLUGIN = `#!/bin/sh
input=$(cat)
n=$(ls ${SEEN} | wc -l)
{ env | grep ^CNI_ | sort; printf '%s\\n' "$input"; } >${SEEN}/$(printf %02d $n)-\${0##*/}-$CNI_COMMAND
[ "\${0##*/}-$CNI_COMMAND" != slow-ADD ] || sleep 9
echo "a word of \${0##*/}" >&2
error=$(printf %s "$input" | sed -n "s/.*\\"$CNI_COMMAND\\":\\({[^}]*}\\).*/\\1/p")
[ -z "$error" ] || { printf %s "$error"; exit 1; }
[ "$CNI_COMMAND" != ADD ] || printf %s "$input" | sed 's/.*"ok":\\({.*}\\),"end".*/\\1/'
`

const ok = {
  cniVersion: '1.1.0',
  interfaces: [{ name: 'eth0' }],
  ips: [{ address: '10.9.0.2/24', interface: 0 }],
  dns: {},
}
const plugin = (type: string, more: object = {}) => ({ type, ...more, ok, end: 0 })
const failure = (code: number, msg: string) => ({ code, msg, details: `about ${msg}` })

const run = async (script: string) => (await cli(['exec', '--', 'sh', '-c', script])).stdout
/** What the plugins were given, in the order of their calls: `one-ADD`, its variables, and its configuration. */
async function seen() {
  const text = await run(`cd ${SEEN}; for f in *; do [ ! -e "$f" ] || { echo "=$f"; cat "$f"; }; done`)
  return text
    .split(/^=/m)
    .slice(1)
    .map((call) => {
      const [name = '', ...lines] = call.trimEnd().split('\n')
      const env = lines.filter((line) => line.startsWith('CNI_'))
      const config: unknown = JSON.parse(lines.slice(env.length).join('\n'))
      return { call: name.slice(3), env, config }
    })
}
const calls = async () => (await seen()).map(({ call }) => call)

/** A folder with one network, `net`. */
function network(plugins: readonly object[], more: object = {}): string {
  const folder = mkdtempSync(join(runtime, 'net.d-'))
  writeFileSync(join(folder, 'net.conflist'), JSON.stringify({ cniVersion: '1.1.0', name: 'net', ...more, plugins }))
  return folder
}

/** Runs `cnilab cni …` with the plugins of these tests. */
function cni(words: string, folder: string, extra: Readonly<Record<string, string>> = {}, more: string[] = []) {
  return cli(['cni', ...words.split(' '), ...more], '', undefined, { NETCONFPATH: folder, CNI_PATH: PLUGINS, ...extra })
}

beforeAll(async () => {
  const names = ['one', 'two', 'three', 'bad', 'slow'].map((name) => `${PLUGINS}/${name}`)
  await cli(
    [
      'exec',
      '--',
      'sh',
      '-c',
      `mkdir ${PLUGINS}; cat >/tmp/p; for f in ${names.join(' ')}; do install /tmp/p $f; done`,
    ],
    PLUGIN,
  )
  await run(`printf '#!/bin/sh\\nkill -9 $$\\n' >${PLUGINS}/killed; chmod 755 ${PLUGINS}/killed; ip netns add red`)
})

beforeEach(async () => {
  await run(`rm -rf ${SEEN} /var/lib/cni; mkdir ${SEEN}`)
})

describe('with plugins that write down what they get', () => {
  it('ADD goes forward with prevResult, DEL back with the cached result, CHECK forward with it', async () => {
    const folder = network([plugin('one', { capabilities: { mac: true } }), plugin('two')])
    const extra = { CNI_ARGS: 'A=1;B=2', CAP_ARGS: '{"mac":"m","ips":["x"]}', CNI_IFNAME: 'net1' }
    const added = await cni('add net red --cid web-1', folder, extra)
    expect(added).toMatchObject({ code: 0, stderr: 'a word of one\na word of two\n' })
    expect(JSON.parse(added.stdout)).toEqual(ok)
    const env = (command: string) => [
      'CNI_ARGS=A=1;B=2',
      `CNI_COMMAND=${command}`,
      'CNI_CONTAINERID=web-1',
      'CNI_IFNAME=net1',
      'CNI_NETNS=/run/netns/red',
      `CNI_PATH=${PLUGINS}`,
    ]
    const base = { name: 'net', cniVersion: '1.1.0', ok, end: 0 }
    const first = { ...base, type: 'one', capabilities: { mac: true }, runtimeConfig: { mac: 'm' } }
    const second = { ...base, type: 'two', prevResult: ok }
    expect(await seen()).toEqual([
      { call: 'one-ADD', env: env('ADD'), config: first },
      { call: 'two-ADD', env: env('ADD'), config: second },
    ])
    expect(JSON.parse(await run(`cat ${RESULTS}/net-web-1-net1`))).toMatchObject({
      kind: 'cniCacheV1',
      cniArgs: [
        ['A', '1'],
        ['B', '2'],
      ],
      capabilityArgs: { mac: 'm', ips: ['x'] },
      result: ok,
    })

    // CHECK and DEL get the arguments of ADD although they are not given again.
    await run(`rm ${SEEN}/*`)
    expect(await cni('check net red --cid web-1 --ifname net1', folder)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'a word of one\na word of two\n',
    })
    expect(await cni('del net red --cid web-1 --ifname net1', folder)).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'a word of two\na word of one\n',
    })
    expect(await seen()).toEqual([
      { call: 'one-CHECK', env: env('CHECK'), config: { ...first, prevResult: ok } },
      { call: 'two-CHECK', env: env('CHECK'), config: second },
      { call: 'two-DEL', env: env('DEL'), config: second },
      { call: 'one-DEL', env: env('DEL'), config: { ...first, prevResult: ok } },
    ])
    expect(await run(`ls -A ${RESULTS}`)).toBe('')
    const again = await cni('check net red --cid web-1', folder)
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('none is cached for net, web-1, eth0') })
  })

  it('after a failed ADD all get DEL, and the error names the plugin', async () => {
    const folder = network([plugin('one'), plugin('bad', { ADD: failure(110, 'no luck') }), plugin('three')])
    const failed = await cni('add net red', folder)
    expect(failed).toMatchObject({ code: 1, stdout: '' })
    expect(failed.stderr).toContain(
      '\nError: plugin bad (2 of 3), ADD: no luck (CNI error 110)\n  what had been made was removed again, with DEL\n  what to do: about no luck\n',
    )
    expect(await calls()).toEqual(['one-ADD', 'bad-ADD', 'three-DEL', 'bad-DEL', 'one-DEL'])
    expect(await run(`ls -A ${RESULTS} 2>/dev/null`)).toBe('')
    const json = await cni('add net red --json', folder)
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toEqual({
      cniVersion: '1.1.0',
      code: 110,
      msg: 'plugin bad (2 of 3), ADD: no luck',
      details: 'about no luck; what had been made was removed again, with DEL',
    })
  })

  it('no DEL after ADD of an interface that was there before', async () => {
    const folder = network([plugin('bad', { ADD: failure(110, 'exists') })])
    const failed = await cni('add net red --ifname lo', folder)
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('no DEL was sent: lo existed before') })
    expect(await calls()).toEqual(['bad-ADD'])
  })

  it('DEL goes on after a failure, reports all, and keeps the cached result', async () => {
    const bad = [
      plugin('one'),
      plugin('bad', { DEL: failure(110, 'stuck') }),
      plugin('three', { DEL: failure(111, 'too') }),
    ]
    const folder = network(bad)
    expect((await cni('add net red --cid c', folder)).code).toBe(0)
    const failed = await cni('del net red --cid c --json', folder)
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout)).toMatchObject({
      code: 111,
      msg: 'plugin three (3 of 3), DEL: too; plugin bad (2 of 3), DEL: stuck',
    })
    expect((await calls()).slice(3)).toEqual(['three-DEL', 'bad-DEL', 'one-DEL'])
    expect(await run(`ls ${RESULTS}`)).toBe('net-c-eth0\n')
  })

  it('DEL takes the configuration from the cache when there is no file any more', async () => {
    expect((await cni('add net red --cid c', network([plugin('one')]))).code).toBe(0)
    const gone = await cni('del net red --cid c', mkdtempSync(join(runtime, 'empty-')))
    expect(gone).toMatchObject({ code: 0, stderr: expect.stringContaining('from the cache') })
    expect(await calls()).toEqual(['one-ADD', 'one-DEL'])
    const unknown = await cni('del net red --cid c', mkdtempSync(join(runtime, 'empty-')))
    expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining("there is no network 'net'") })
  })

  it('DEL works without a namespace, and with a cached result that cannot be read', async () => {
    await run(`mkdir -p ${RESULTS}; echo '{' >${RESULTS}/net-c-eth0`)
    const deleted = await cni('del net gone --cid c', network([plugin('one')]))
    expect(deleted).toMatchObject({ code: 0, stderr: expect.stringMatching(/is unreadable.*\n.*\/run\/netns\/gone/) })
    expect(await seen()).toMatchObject([
      { call: 'one-DEL', env: expect.arrayContaining(['CNI_NETNS=/run/netns/gone']) },
    ])
    expect((await seen())[0]?.config).not.toHaveProperty('prevResult')
  })

  it('old versions: no prevResult for DEL, no CHECK, no STATUS, no GC; disableCheck and disableGC', async () => {
    const old = network([plugin('one')], { cniVersion: '0.3.1' })
    expect((await cni('add net red --cid c', old)).code).toBe(0)
    expect(await cni('check net red --cid c', old)).toMatchObject({ code: 2, stderr: expect.stringContaining('0.4.0') })
    expect(await cni('status net', old)).toMatchObject({ code: 2, stderr: expect.stringContaining('1.1.0') })
    expect(await cni('gc net', old)).toMatchObject({ code: 0, stderr: expect.stringContaining('not called') })
    expect((await cni('del net red --cid c', old)).code).toBe(0)
    expect(await calls()).toEqual(['one-ADD', 'one-DEL'])
    expect((await seen())[1]?.config).not.toHaveProperty('prevResult')
    const off = network([plugin('one')], { disableCheck: true, disableGC: true })
    expect(await cni('check net red', off)).toMatchObject({ code: 0, stderr: expect.stringContaining('disableCheck') })
    expect(await cni('gc net', off)).toMatchObject({ code: 0, stderr: expect.stringContaining('disableGC') })
    expect(await calls()).toHaveLength(2)
  })

  it('GC: DEL for attachments whose namespace is gone, then GC with those that are left', async () => {
    const folder = network([plugin('one'), plugin('two')])
    await run('ip netns add blue; ip netns add green')
    for (const name of ['red', 'blue', 'green']) await cni(`add net ${name} --cid ${name}`, folder)
    await run(`ip netns delete blue; ip netns delete green; rm ${SEEN}/*; touch ${RESULTS}/bad`)
    const dry = await cni('gc net --dry-run', folder)
    expect(dry.stdout.match(/CNI_COMMAND=\w+/g)).toEqual(
      ['DEL', 'DEL', 'DEL', 'DEL', 'GC', 'GC'].map((c) => `CNI_COMMAND=${c}`),
    )
    expect(await calls()).toEqual([])
    const collected = await cni('gc net --keep green/eth0 --keep other/eth1', folder)
    expect(collected).toMatchObject({ code: 0, stdout: '' })
    expect(collected.stderr).toMatch(/^skipped .*\/bad: .*\nDEL for blue eth0: \/run\/netns\/blue is gone\na word/)
    const all = await seen()
    expect(all.map(({ call }) => call)).toEqual(['two-DEL', 'one-DEL', 'one-GC', 'two-GC'])
    const left = [
      { containerID: 'green', ifname: 'eth0' },
      { containerID: 'red', ifname: 'eth0' },
      { containerID: 'other', ifname: 'eth1' },
    ]
    expect(all[2]).toMatchObject({
      env: ['CNI_COMMAND=GC', `CNI_PATH=${PLUGINS}`],
      config: { 'cni.dev/valid-attachments': left, 'cni.dev/attachments': left },
    })
    expect(await run(`ls ${RESULTS}`)).toBe('bad\nnet-green-eth0\nnet-red-eth0\n')
  })

  it('STATUS asks all the plugins', async () => {
    const folder = network([plugin('one', { STATUS: failure(50, 'full') }), plugin('two')])
    const failed = await cni('status net --json', folder)
    expect(failed.code).toBe(1)
    expect(JSON.parse(failed.stdout)).toMatchObject({ code: 50, msg: 'plugin one (1 of 2), STATUS: full' })
    expect(await seen()).toMatchObject([
      { call: 'one-STATUS', env: ['CNI_COMMAND=STATUS', `CNI_PATH=${PLUGINS}`] },
      { call: 'two-STATUS' },
    ])
    expect(await cni('status net', network([plugin('two')]))).toMatchObject({
      code: 0,
      stdout: '',
      stderr: 'a word of two\n',
    })
  })

  it('a plugin that is killed counts as failed', async () => {
    const failed = await cni('add net red', network([plugin('one'), { type: 'killed' }]))
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/plugin killed \(2 of 2\), ADD: .*killed/) })
    expect(failed.stderr).toMatch(/failed too: plugin killed/)
    expect(await calls()).toEqual(['one-ADD', 'one-DEL'])
  })

  it('Ctrl-C ends the plugin that runs, and all get DEL', async () => {
    const folder = network([plugin('one'), plugin('slow')])
    writeFileSync(join(folder, 'bad.conf'), '') // it is named before the plugins run
    const words = `cni add net red --conf-dir ${folder} --cni-path ${PLUGINS}`
    const { code } = await onTerminal(words, [['skipped', '\x03', 1000]])
    expect(code).toBe(130)
    expect(await calls()).toEqual(['one-ADD', 'slow-ADD', 'slow-DEL', 'one-DEL'])
    expect(await run(`ls -A ${RESULTS} 2>/dev/null`)).toBe('')
  })

  it('--trace shows what each plugin gets, says, and changes', async () => {
    const folder = network([plugin('one'), plugin('bad', { ADD: failure(110, 'no luck') })])
    const { stdout, stderr } = await cni('add net red --trace', folder)
    expect(stdout).toBe('')
    expect(stderr.match(/^(ADD|DEL) .*/gm)).toEqual([
      'ADD 1 of 2: one',
      'ADD 2 of 2: bad',
      'DEL 2 of 2: bad',
      'DEL 1 of 2: one',
    ])
    const second = stderr.slice(stderr.indexOf('ADD 2'), stderr.indexOf('DEL 2'))
    for (const text of [
      `${PLUGINS}/bad`,
      'CNI_IFNAME=eth0',
      '"prevResult": {',
      '"msg": "no luck"',
      'a word of bad',
      'exit status 1',
    ])
      expect(second).toContain(text)
    expect(second).toContain('changed in the kernel\n    (nothing)\n')
    const unnamed = await cni('add net /proc/1/ns/net --trace', network([plugin('one')]))
    expect(unnamed.stderr).toContain('CNI_NETNS=/proc/1/ns/net')
  })

  it('--dry-run runs nothing, and says what is not known yet', async () => {
    const folder = network([plugin('one'), plugin('two')])
    const { stdout } = await cni('add net red --cid c --dry-run', folder, { CNI_ARGS: "NOTE=it's;B=2" })
    expect(stdout).toContain("'CNI_ARGS=NOTE=it'\\''s;B=2' \\\n")
    expect(stdout).toMatch(/^# ADD 2 of 2: two; its prevResult is not known yet\ncnilab exec -- env \\\n/m)
    expect(stdout).toContain('"prevResult": "what one prints (1 of 2)"')
    expect(await calls()).toEqual([])
    expect(await run(`ls -A /var/lib/cni 2>&1`)).not.toContain('results')

    // What it prints for the first one can be pasted.
    const [first] = stdout.split('# ADD 2')
    const { status } = spawnSync('sh', ['-c', `cnilab() { "${process.execPath}" "${program}" "$@"; }\n${first}`])
    expect(status).toBe(0)
    expect(await seen()).toMatchObject([
      { call: 'one-ADD', env: expect.arrayContaining(["CNI_ARGS=NOTE=it's;B=2"]), config: { type: 'one', ok } },
    ])
  })

  it('refusals: no plugin, no namespace, one that only the machine has, and a file that is none', async () => {
    const missing = await cni('add net red', network([plugin('one'), plugin('nine')]))
    expect(missing).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(
        /no plugin 'nine' in \/var\/lib\/plugins.*plugins there: bad, killed, one, slow, three, two/s,
      ),
    })
    const folder = network([plugin('one')])
    const none = await cni('add net green', folder)
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('cnilab netns create green') })
    const outside = await cni(`add net ${folder}/net.conflist`, folder)
    expect(outside).toMatchObject({ code: 1, stderr: expect.stringMatching(/this machine has one\n.*--host/) })
    const file = await cni('add net /etc/passwd', folder)
    expect(file).toMatchObject({ code: 1, stderr: expect.stringContaining('/etc/passwd is not a network namespace') })
    expect(await calls()).toEqual([])
  })
})

// Debian's package containernetworking-plugins puts them there.
const REFERENCE = '/usr/lib/cni'
describe.skipIf(!existsSync(`${REFERENCE}/bridge`))(
  'with the reference plugins (skipped where they are not installed)',
  () => {
    const ipam = { type: 'host-local', subnet: '10.22.0.0/16', routes: [{ dst: '0.0.0.0/0' }] }
    const same = { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, ipam }

    it.each([
      [
        'the built-in network, with our plugins',
        '1.1.0',
        {},
        /^no file in .* has mynet: using the one built into cnilab\n/,
      ],
      ['the same from a file, with theirs', '1.0.0', { CNI_PATH: REFERENCE }, /^ADD 1 of 1: bridge\n/],
    ])('%s: add, check, del', async (_, cniVersion, path, told) => {
      const folder = network([same], { name: 'mynet', cniVersion })
      const extra = { ...path, ...(cniVersion === '1.0.0' ? { NETCONFPATH: folder } : {}) }
      const mynet = (words: string) => cli(['cni', ...words.split(' ')], '', undefined, extra)
      const before = await run('nft list ruleset; ip -br link')
      const added = await mynet('add mynet red --trace --json')
      expect(added.code).toBe(0)
      expect(JSON.parse(added.stdout)).toMatchObject({
        cniVersion,
        interfaces: [{ name: 'cni0' }, {}, { name: 'eth0', sandbox: '/run/netns/red' }],
        ips: [{ address: '10.22.0.2/16', gateway: '10.22.0.1' }],
      })
      expect(added.stderr).toMatch(told)
      for (const line of [
        '+ host: link cni0 bridge up',
        '+ red: address eth0 10.22.0.2/16',
        '- host: sysctl net.ipv4.ip_forward=0',
      ])
        expect(added.stderr).toContain(`    ${line}`)
      expect(added.stderr).toMatch(/ {4}\+ host: nft .*10\.22\.0\.2/)
      expect(await run('ip -n red -br address show eth0')).toContain('10.22.0.2/16')
      const [file = ''] = (await run(`ls ${RESULTS}`)).split('\n')
      expect(file).toMatch(/^mynet-cnitool-[0-9a-f]{20}-eth0$/)

      expect(await mynet('check mynet red')).toMatchObject({ code: 0, stdout: '' })
      await run('ip -n red address flush dev eth0')
      expect(await mynet('check mynet red')).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('plugin bridge, CHECK'),
      })
      expect(await mynet('del mynet red')).toMatchObject({ code: 0, stdout: '' })
      expect(await mynet('del mynet red')).toMatchObject({ code: 0, stdout: '' })
      expect(await run(`ls -A ${RESULTS}; ls /var/lib/cni/networks/mynet | grep ^10`)).toBe('')
      await run('ip link delete cni0; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=0')
      expect(await run('nft list ruleset; ip -br link')).toBe(before)
    })

    it('a failed ADD of the second plugin leaves neither an interface nor an address', async () => {
      const folder = network(
        [
          { type: 'bridge', bridge: 'br30', ipam: { type: 'host-local', subnet: '10.30.0.0/24' } },
          plugin('bad', { ADD: failure(110, 'no luck') }),
        ],
        {
          cniVersion: '1.0.0',
        },
      )
      const failed = await cni('add net red', folder, { CNI_PATH: `${REFERENCE}:${PLUGINS}` })
      expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('removed again') })
      expect(await run('ip -n red -br link; ls /var/lib/cni/networks/net | grep ^10')).toMatch(/^lo .*\n$/)
    })

    it('--host acts on the machine, whose namespaces a sandbox does not have', () => {
      const { stdout } = onEmptyMachine(`exec 2>&1
      mount -t tmpfs lib /var/lib; mkdir /run/netns; ip netns add red
      cnilab() { NO_COLOR=1 "${process.execPath}" "${program}" cni "$@"; }
      cnilab add mynet red --host >/dev/null; echo $?; ip -n red -br address show eth0; ls /var/lib/cni/results
      cnilab check mynet red --host; echo $?; cnilab del mynet red --host; echo $?; ip -n red -br link; ls -A /var/lib/cni/results`)
      expect(stdout).toMatch(
        /\n0\neth0@.*10\.22\.0\.2\/16.*\nmynet-cnitool-\w+-eth0\nno file.*\n0\nno file.*\n0\nlo .*\n$/,
      )
    })
  },
)

describe('plugins that cannot be started', () => {
  beforeAll(() =>
    run(
      `cd ${PLUGINS}; printf '\\177ELF\\002\\001\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\026\\000touch /tmp/ran\n' >foreign; printf '#!/bin/sh\r\necho\r\n' >crlf; printf '#!/no/such -x\n' >lost; echo 'touch /tmp/ran' >text; cp one noexec; chmod 755 foreign crlf; chmod 644 noexec`,
    ),
  )

  it.each([
    ['foreign', 'built for another machine: its architecture is s390x'],
    ['crlf', 'carriage return'],
    ['noexec', 'not executable: chmod +x'],
  ])('are named, with the reason, before anything is called: %s', async (type, why) => {
    const folder = network([plugin('one'), { type }])
    const { code, stderr } = await cni('add net red', folder)
    expect([code, stderr]).toEqual([3, expect.stringContaining(why)])
    expect(stderr).toContain(type)
    expect(await calls()).toEqual([])
    // DEL calls the others all the same.
    const del = await cni('del net red', folder)
    expect([del.code, del.stderr]).toEqual([1, expect.stringContaining(why)])
    expect(await calls()).toEqual(['one-DEL'])
    expect(await run('ls /tmp/ran 2>&1')).toContain('No such file')
  })
})

it('DEL and GC go by the configuration of ADD, whatever the file says by then', async () => {
  const folder = network([plugin('one', { subnet: 'a' }), plugin('two', { capabilities: { x: true } })])
  const edit = () =>
    writeFileSync(
      join(folder, 'net.conflist'),
      JSON.stringify({ cniVersion: '1.1.0', name: 'net', plugins: [plugin('three', { subnet: 'b' })] }),
    )
  const before = readFileSync(join(folder, 'net.conflist'), 'utf8')
  for (const command of ['del net red', 'gc net']) {
    writeFileSync(join(folder, 'net.conflist'), before)
    await run('ip netns add red 2>/dev/null')
    expect((await cni('add net red', folder)).code).toBe(0)
    edit()
    if (command === 'gc net') await run('ip netns delete red')
    await run(`rm -f ${SEEN}/*`)
    const { code, stderr } = await cni(command, folder)
    expect(code).toBe(0)
    expect(stderr).toContain(command === 'gc net' ? 'is gone' : 'configured otherwise by now')
    const all = await seen()
    expect(all.slice(0, 2)).toMatchObject([
      { call: 'two-DEL', config: { capabilities: { x: true }, prevResult: { ips: ok.ips } } },
      { call: 'one-DEL', config: { subnet: 'a' } },
    ])
    expect(all.slice(2).map(({ call }) => call)).toEqual(command === 'gc net' ? ['three-GC'] : [])
  }
  await run('ip netns add red')
})
