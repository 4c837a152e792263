import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cli, removeSandboxes, runtime } from '../helpers.ts'
import { onScreen, type Size, type Typed } from '../screen.ts'

/** A screen: the name of its snapshot, what to type after `cnilab`, and the keys. Without a name, it only prepares the next. */
type Screen = readonly [name: string, words: string, typed?: readonly Typed[]]

const ENTER = '\r'
const press = (see: string, keys: string, keep?: string): Typed => ({
  see,
  keys,
  ...(keep === undefined ? {} : { keep }),
})

const WITHOUT_SANDBOX: readonly Screen[] = [
  ['help', '--help'],
  ['help-topic', 'bridge --help'],
  ['help-topic-lab', 'lab --help'],
  ['help-topic-cni', 'cni --help'],
  ['help-command', 'lab run --help'],
  ['lab-list', 'lab list'],
  ['lab-show', 'lab show eight-steps'],
  ['lab-show-exam', 'lab show by-hand'],
  ['lab-reference', 'lab reference'],
  ['lab-reference-kind', 'lab reference masquerade'],
  ['lab-run-explain', 'lab run eight-steps --explain'],
  ['lab-run-dry-run', 'lab run masquerade --dry-run'],
  ['lab-run-script', 'lab run eight-steps --script'],
  ['bridge-add-explain', 'bridge add web-1 red --explain'],
  ['bridge-add-dry-run', 'bridge add web-1 red --dry-run'],
  ['masquerade-explain', 'masquerade 10.22.0.0/16 --explain'],
  ['masquerade-dry-run', 'masquerade 10.22.0.0/16 --dry-run'],
  ['step-show', 'step masquerade --show'],
  ['sandbox-list-none', 'sandbox list'],
  ['clean-nothing', 'clean'],
  ['error-command', 'netns crate red'],
  ['error-no-lab', 'lab check'],
  ['error-lab-name', 'lab start eigth-steps'],
  ['error-name', 'netns create a/b'],
  ['error-address', 'ip assign 10.22.0.300/16 eth0'],
  ['error-flag', 'lab run --atuo'],
  ['doctor', 'doctor'],
]

const SELF_PACED: readonly Screen[] = [
  ['lab-start', 'lab start eight-steps'],
  ['lab-start-again', 'lab start masquerade'],
  ['lab-status', 'lab status'],
  ['step-map', 'step'],
  ['step-map-plain', 'step --plain'],
  ['lab-check-begin', 'lab check'],
  ['lab-hint', 'lab hint'],
  ['lab-solve-asks', 'lab solve', [press('Run it?', 'n\r')]],
  ['step-first', 'step netns'],
  ['step-already', 'step netns'],
  [
    'step-by-hand',
    'step bridge --by-hand',
    [press('step bridge]', 'ip link add name cni1 type bridge\r'), press('step bridge]', 'exit\r')],
  ],
  ['step-missing', 'step attach-netns', [press('Do it, too?', 'n\r')]],
  ['', 'exec -- ip link add name cni0 type bridge'],
  ['lab-check-question', 'lab check', [press('Your answer', ENTER)]],
  ['', 'exec -- ip link add name veth-c type veth peer name veth-b'],
  ['', 'exec -- ip link set dev veth-b netns red name eth0'],
  ['lab-check-failed', 'lab check --plain', [press('becomes of veth-c', '3\r')]],
  ['lab-hint-failed', 'lab hint'],
  ['lab-solve-wrong', 'lab solve attach-netns', [press('Run it?', 'y\r')]],
  ['step-with-missing', 'step up --with-missing'],
  ['step-map-late', 'step'],
  ['lab-status-late', 'lab status'],
  ['lab-reset-asks', 'lab reset', [press('Reset it?', 'n\r')]],
  ['lab-solve-last', 'lab solve --yes'],
  ['lab-check-passed', 'lab check'],
  ['step-map-done', 'step'],
  ['netns-list', 'netns list'],
  ['bridge-list', 'bridge list'],
  ['sandbox-list', 'sandbox list'],
  ['error-missing', 'up nothere'],
  ['step-undo', 'step --undo'],
  ['lab-reset', 'lab reset veth --yes'],
  ['shell', 'shell red', [press('default/red]', 'ip -br link\r'), press('default/red]', 'exit\r')]],
  ['lab-stop', 'lab stop'],
]

/** A rule of somebody else's is in the way, of which the packets take long to die. */
const FOREIGN: readonly Screen[] = [
  ['', 'lab start eight-steps'],
  ['', 'lab solve up --yes'],
  ['', 'exec -- nft add table inet wall'],
  ['', "exec -- nft add chain inet wall f '{ type filter hook forward priority 0; policy drop; }'"],
  ['lab-solve-foreign', 'lab solve masquerade --yes'],
]

const PIECES: readonly Screen[] = [
  ['netns-list-none', 'netns list'],
  ['bridge-list-none', 'bridge list'],
  ['netns-create', 'netns create red'],
  ['bridge-create', 'bridge create cni0'],
  ['bridge-create-again', 'bridge create cni0'],
  ['bridge-delete', 'bridge delete cni0'],
  ['bridge-delete-again', 'bridge delete cni0'],
  ['bridge-add', 'bridge add web-1 red'],
  ['bridge-check', 'bridge check web-1 red'],
  ['', 'exec --netns red -- ip route delete default'],
  ['', 'exec -- sysctl -wq net.ipv4.ip_forward=0'],
  ['bridge-check-failed', 'bridge check web-1 red'],
  ['bridge-del', 'bridge del web-1 red'],
  ['cni-add', 'cni add mynet red'],
  ['cni-add-trace', 'cni add mynet red --cid two --ifname eth1 --trace'],
  ['cni-add-dry-run', 'cni add mynet red --cid three --ifname eth2 --dry-run'],
  ['cni-check-error', 'cni check mynet red --cid other'],
  ['clean', 'clean'],
  ['apply', 'apply eight-steps'],
  ['apply-again', 'apply eight-steps'],
  ['apply-dry-run', 'apply eight-steps --dry-run'],
]

const CNI: readonly Screen[] = [
  ['cni-plugins', 'cni plugins --bin-dir bin'],
  ['cni-plugins-none', 'cni plugins --bin-dir nothere'],
  ['cni-configs', 'cni configs --conf-dir net.d --bin-dir bin'],
  ['cni-configs-none', 'cni configs --conf-dir nothere'],
  ['cni-validate', 'cni validate net.d --bin-dir bin'],
  ['cni-validate-right', 'cni validate net.d/10-right.conflist --bin-dir bin'],
  ['cni-conformance', 'cni conformance ./bin/static'],
]

const down = (n: number) => `${'\u001b[B'.repeat(n)}\r`

const interactive = ({ rows }: Size): readonly Screen[] => [
  [
    'tour',
    'lab run eight-steps',
    [
      ...(rows < 40 ? [press('Have you read it?', ENTER, 'introduction')] : []),
      press('What now?', down(2), 'step'),
      press('Hint 1 of 3', ''),
      press('What now?', down(3), 'hint'),
      press('The name is a file', ''),
      press('What now?', down(0), 'more'),
      press('Your answer', ENTER, 'question'),
      press('Done.', ENTER, 'done'),
      press('Step 2 of 8', ''),
      press('What now?', down(1), 'second-step'),
      press('step bridge]', 'exit\r', 'shell'),
      press('Not yet.', ''),
      press('What now?', down(5), 'not-yet'),
      press('The network that', ENTER, 'leave'),
    ],
  ],
  [
    'watch',
    'lab watch',
    [
      press('q quit', 'l', 'begin'),
      press('Enable NAT', 'n', 'list'),
      press('Step 2 of 8', 'h', 'next'),
      press('Hint 1 of', 'c', 'hint'),
      press('steps done', 's', 'check'),
      press('Run it?', 'n', 'solve'),
      press('q quit', 'r'),
      press('Rebuild', 'n', 'reset'),
      press('q quit', 'q'),
    ],
  ],
  ['', 'lab solve masquerade --yes'],
  ['tour-end', 'lab run eight-steps', [press('The network that', down(1), 'end')]],
  [
    'menu',
    '',
    [press('What would', down(1), 'areas'), press('Which?', down(0), 'which'), press('Change it', '\u0004', 'edit')],
  ],
]

beforeAll(() => {
  mkdirSync(join(runtime, 'bin'))
  mkdirSync(join(runtime, 'net.d'))
  const plugin = (name: string, script: string) => {
    writeFileSync(join(runtime, 'bin', name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(runtime, 'bin', name), 0o755)
  }
  const versions = `printf '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}'`
  for (const name of ['bridge', 'host-local', 'portmap']) plugin(name, versions)
  plugin('broken', 'echo oops; exit 3')
  plugin('static', 'echo oops; exit 3')
  writeFileSync(join(runtime, 'bin', 'README'), 'not a plugin\n')
  const network = (name: string, plugins: object[]) => JSON.stringify({ cniVersion: '1.0.0', name, plugins }, null, 2)
  const ipam = { type: 'host-local', ranges: [[{ subnet: '10.22.0.0/16' }]], routes: [{ dst: '0.0.0.0/0' }] }
  writeFileSync(
    join(runtime, 'net.d', '10-right.conflist'),
    network('right', [
      { type: 'bridge', bridge: 'cni0', isGateway: true, ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ]),
  )
  writeFileSync(
    join(runtime, 'net.d', '20-wrong.conflist'),
    network('wrong', [{ type: 'bridge', bridgeName: 'cni0', isGatway: true, ipam: { ...ipam, type: 'dhcp' } }]),
  )
  writeFileSync(join(runtime, 'net.d', '30-broken.conf'), '{ "cniVersion": "1.0.0", "name": "broken",\n')
})
afterAll(async () => {
  await removeSandboxes()
  await cli(['lab', 'stop'])
})

/** A text in which what differs from run to run, or from machine to machine, has a word of its own. */
function stable(text: string): string {
  return text
    .replaceAll(/^[a-z][\w ,']* …\n/gm, '') // what --plain says while one waits, on a slow machine
    .replaceAll(runtime, '/tmp/cnilab-test-ABCDEF')
    .replaceAll(/node-v[\d.]+/g, 'node-vN')
    .replaceAll(/linux-\w+/g, 'linux-ARCH')
    .replaceAll(/(cnilab default\S*) (\S+) [#$] /g, '$1 $2 # ')
    .replaceAll(/\b\d+(\.\d+)? (ms|s|min|hours)\b/g, 'N ms')
    .replaceAll(/\bAGE {2,}/g, 'AGE   ') // as wide as the age is
    .replaceAll(/\b[\da-f]{2}(:[\da-f]{2}){5}\b/g, '00:00:5e:00:53:00')
}

/** All screens, by their width and name. */
const shown = new Map<string, string>()

/** Colours, and what erases a line that says what is being waited for. */
// oxlint-disable-next-line no-control-regex -- control sequences begin with it
const [COLOUR, ERASED] = [/\x1b\[[\d;]*m/g, /[^\n]* …\x1b\[2K\x1b\[G/g]

const SIZES: readonly Size[] = [
  { columns: 80, rows: 24 },
  { columns: 120, rows: 40 },
]

describe.each(SIZES)('at $columns x $rows', (size) => {
  // Without colour, text to type is in backquotes.
  const hasColour = size.columns === 80
  it.each<[string, readonly Screen[]]>([
    ['without a sandbox', WITHOUT_SANDBOX],
    ['a lab by oneself', SELF_PACED],
    ['a rule of others', hasColour ? FOREIGN : []],
    ['piece by piece', PIECES],
    ['CNI', CNI],
    ['what is interactive', interactive(size)],
  ])('%s', { timeout: 240_000 }, async (_, screens) => {
    await removeSandboxes()
    await cli(['lab', 'stop'])
    for (const [name, words, typed = []] of screens) {
      const seen = await onScreen(words, size, typed, hasColour ? '' : 'NO_COLOR=1')
      if (name === '') continue
      expect.soft([name, ...faults(name, seen, size, typed.length > 0, hasColour)]).toEqual([name])
      const pages =
        seen.kept.size === 0
          ? [[name, seen.lines] as const]
          : [...seen.kept].map(([part, lines]) => [`${name}-${part}`, lines] as const)
      for (const [page, lines] of pages) {
        const key = `${size.columns}/${page}`
        const text = stable(`$ cnilab ${words}\n${lines.join('\n')}\n`)
        shown.set(key, text)
        await expect.soft(text).toMatchFileSnapshot(join(import.meta.dirname, 'screens', `${key}.txt`))
      }
    }
  })
})

/** What no screen may have. */
function faults(
  name: string,
  { broken, written, lines }: Awaited<ReturnType<typeof onScreen>>,
  { rows }: Size,
  isInteractive: boolean,
  hasColour: boolean,
): string[] {
  // A word that is longer than a line, such as a path, is left to the terminal.
  const parted = broken.filter((line) => line.trim().replace(/^\$ /, '').includes(' '))
  const all = parted.map((line) => `too wide: ${line}`)
  // With a line for the shell's prompt.
  if (name.startsWith('step-map') && lines.length >= rows) all.push('does not fit')
  if (isInteractive || DRAWN.includes(name)) return all
  const text = written.replaceAll(ERASED, '').replaceAll('\r\n', '\n')
  // oxlint-disable-next-line no-control-regex -- it is what must not be there
  if (/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(hasColour ? text.replaceAll(COLOUR, '') : text))
    all.push('control characters')
  return [...all, ...lines.filter((line) => line.endsWith(' ')).map((line) => `blanks at the end: ${line}`)]
}

/** What is drawn while it is done, by moving the cursor. */
const DRAWN = ['bridge-add']

/** The words on a screen. */
function wordsOf(text: string): string[] {
  return text.replaceAll(/[`\\]/g, '').split(/\s+/)
}

it('no word is broken: each on a narrow screen is one of the wide screen', () => {
  const narrow = [...shown].filter(([page]) => page.startsWith('80/'))
  const broken = narrow.flatMap(([page, text]) => {
    // In sight is another part of what has scrolled; and some words of JSON are wider than a line.
    if (/tour|conformance/.test(page)) return []
    const wide = shown.get(page.replace('80/', '120/'))
    const whole = new Set(wordsOf(wide ?? text))
    return wordsOf(text).flatMap((word) => (whole.has(word) ? [] : [`${page}: ${word}`]))
  })
  expect(narrow.length).toBeGreaterThan(80)
  expect(broken).toEqual([])
})

it.each([
  ['tour-introduction', 'The eight steps from', 'Have you read it?', 'quit'],
  ['tour-step', 'Step 1 of 8', 'What now?', 'quit'],
  ['step-map', 'The eight steps from', '1 netns', 'next: cnilab step netns'],
  ['step-map-late', 'The eight steps from', '8 masquerade', 'next: cnilab step masquerade'],
  ['watch-begin', 'The eight steps from', 'Step 2: Create', 'q quit'],
  ['watch-check', 'The eight steps from', 'Step 2: Create', 'q quit'],
])('on a low screen %s has title, task and prompt in sight', (name, ...parts) => {
  const lines = (shown.get(`80/${name}`) ?? '').trimEnd().split('\n').slice(1)
  expect(lines.length).toBeLessThanOrEqual(24)
  expect(lines.length).toBeGreaterThan(10)
  expect(parts.filter((part) => !lines.some((line) => line.includes(part)))).toEqual([])
})

it('what does not go to a terminal has neither colours nor breaks', async () => {
  for (const words of [
    'lab show eight-steps',
    'lab run eight-steps --auto',
    'lab check',
    'masquerade 10.22.0.0/16 --explain',
  ]) {
    const { stdout, stderr } = await cli(words.split(' '), '', undefined, { NO_COLOR: '' })
    expect([words, `${stdout}${stderr}`.includes('\u001b')]).toEqual([words, false])
  }
  const { stdout } = await cli(['masquerade', '10.22.0.0/16', '--dry-run'])
  expect(stdout).toContain(
    `postrouting ip saddr 10.22.0.0/16 ip daddr != 10.22.0.0/16 masquerade comment '"made by cnilab"'\n`,
  )
})
