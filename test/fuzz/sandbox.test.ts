import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import * as fc from 'fast-check'
import { CnilabError } from '../../src/errors.ts'
import { runningLab } from '../../src/lab/run/lab-in-progress.ts'
import { readJournal } from '../../src/journal/journal.ts'
import { readProgress, stepProgress } from '../../src/lab/run/progress.ts'
import { kernelOf } from '../../src/kernel/kernel.ts'
import { namesInNetns } from '../../src/kernel/netns-files.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { enter, listSandboxes, type Sandbox } from '../../src/sandbox/find.ts'
import { cli } from '../helpers.ts'
import { HIDDEN } from '../hostile/hostile.ts'
import { mostly, text } from './arbitraries.ts'
import { fuzz } from './fuzz.ts'
import { judgeCommand } from './judge-command.ts'
import { journal, progress } from './journals.ts'
import { anything, bridgeVlan, ipAddress, ipNetconf, ipRoute, nftRuleset } from './outputs.ts'

/** The programs of a sandbox in whose place is one that prints what a file says, where there is one. */
const TOOLS = ['ip', 'nft', 'bridge', 'sysctl', 'ping', 'nsenter', 'stat'] as const
const SAID = '/tmp/said'
const TAKE_THEIR_PLACES = `mkdir -p /tmp/real ${SAID}
cat >/tmp/fake <<'END'
#!/bin/sh
name=\${0##*/}
[ -e ${SAID}/$name ] || exec /tmp/real/$name "$@"
/tmp/real/cat ${SAID}/$name
read -r code <${SAID}/code
exit $code
END
chmod +x /tmp/fake
cp "$(command -v cat)" /tmp/real/cat
for name in ${TOOLS.join(' ')}; do
  cp "$(command -v $name)" /tmp/real/$name
  for file in /usr/bin/$name /usr/sbin/$name; do [ ! -e $file ] || mount --bind /tmp/fake $file; done
done`

/** A sandbox in which programs lie, and another one beside it, which are made where there are none. */
async function sandboxes(): Promise<Sandbox> {
  const found = listSandboxes().find(({ name }) => name === 'bad')
  if (found) return found
  for (const argv of [
    ['netns', 'create', 'red', '--sandbox', 'good'],
    ['exec', '--sandbox', 'bad', '--', 'sh', '-ec', TAKE_THEIR_PLACES],
  ]) {
    const { code, stderr } = await cli(argv)
    if (code !== 0) throw new Error(stderr)
  }
  return sandboxes()
}

/** What is in the place of a file: a text, or something else. */
type Odd = string | { kind: 'pipe' | 'folder' | 'link' | 'loop' }
const oddKind = fc.record({ kind: fc.constantFrom('pipe', 'folder', 'link', 'loop') })
const orOdd = (content: fc.Arbitrary<string>) => mostly<Odd>(content, oddKind, 5)

/** Writes from outside what a program in the sandbox could write there. */
function put(file: string, odd: Odd): void {
  rmSync(file, { recursive: true, force: true })
  if (typeof odd === 'string') writeFileSync(file, odd)
  else if (odd.kind === 'folder') mkdirSync(file)
  else if (odd.kind === 'pipe') spawnSync('mkfifo', [file])
  else symlinkSync(odd.kind === 'link' ? '/etc/passwd' : file.replace(/.*\//, ''), file)
}

const isFileName = (name: string) =>
  name !== '.' && name !== '..' && !/[/\0]/.test(name) && Buffer.byteLength(name) < 200
const fileName = mostly(
  fc.constantFrom('red', '-x', 'a b', 'pipe'),
  text.filter((name) => name !== '' && isFileName(name)),
  1,
)

const own = fc.record(
  {
    'progress.json': orOdd(progress),
    'ended.json': orOdd(fc.constantFrom('["2026-01-01T00:00:00Z"]', '[1]', '{', '"x"')),
    'journal.jsonl': orOdd(journal),
    lock: oddKind,
  },
  { requiredKeys: [] },
)
const names = fc.dictionary(fileName, orOdd(fc.constant('')), { maxKeys: 3 })

/** Puts these in the sandbox's own folder, and under /run/netns, and nothing else. */
function putAll(
  { pid }: Sandbox,
  files: Readonly<Record<string, Odd>>,
  entries: Readonly<Record<string, Odd>>,
): () => void {
  const root = `/proc/${pid}/root`
  const paths = [
    ...Object.entries(files).map(([name, odd]) => [join(root, 'run/cnilab', name), odd] as const),
    ...Object.entries(entries).map(([name, odd]) => [`${root}/run/netns/${name}`, odd] as const),
  ]
  for (const [path, odd] of paths) put(path, odd)
  return () => {
    for (const [path] of paths) rmSync(path, { recursive: true, force: true })
  }
}

fuzz(
  'what a program writes into its sandbox is read from outside, or refused in words',
  5,
  fc.record({ files: own, entries: names }),
  async ({ files, entries }) => {
    const sandbox = await sandboxes()
    const host = enter(sandbox)
    const remove = putAll(sandbox, files, entries)
    try {
      const { namespaces, strays } = await namesInNetns(host)
      const missing = Object.keys(entries).filter((name) => !namespaces.has(name) && !strays.includes(name))
      if (missing.some((name) => name.isWellFormed())) throw new Error(`nothing is told of ${JSON.stringify(missing)}`)
      const noted = readProgress(host)
      if (noted?.lab.includes('/') === true) throw new Error(`a file is read that a sandbox names: ${noted.lab}`)
      const running = await runningLab(kernelOf(host))
      if (running)
        for (const { id } of running.lab.steps) {
          const { hints, answers } = stepProgress(running.progress, id)
          if (!Number.isInteger(hints) || typeof answers !== 'object') throw new Error(`odd progress of ${id}`)
        }
      const all = readJournal(host).map(({ operation }) => bindOperation(operation).id)
      return `${running ? 'a lab' : noted ? 'another lab' : 'no lab'}, ${all.length > 0 ? 'entries' : 'no entries'}`
    } catch (error) {
      if (error instanceof CnilabError && (error.kind === 'state' || error.kind === 'usage')) return error.kind
      throw error
    } finally {
      remove()
    }
  },
)

const COMMANDS: readonly (readonly string[])[] = [
  ['netns', 'list'],
  ['bridge', 'list'],
  ['sandbox', 'list'],
  ['lab', 'status'],
  ['lab', 'check'],
  ['lab', 'hint'],
  ['lab', 'stop'],
  ['step'],
  ['netns', 'create', 'violet'],
  ['netns', 'delete', 'red'],
  ['bridge', 'create', 'br0'],
  ['exec', '--', 'true'],
  ['clean'],
]
const said = fc.record(
  {
    ip: fc.oneof(
      fc.tuple(ipAddress, ipRoute, ipNetconf).map((lines) => lines.join('\n')),
      anything,
    ),
    nft: fc.oneof(nftRuleset, anything),
    bridge: bridgeVlan,
    sysctl: anything,
    ping: anything,
    nsenter: anything,
    stat: anything,
  },
  { requiredKeys: [] },
)

fuzz(
  'commands about a sandbox end, and say what is so, whatever its programs print and write',
  10,
  fc.record({
    said,
    code: mostly(fc.constant(0), fc.constantFrom(1, 127, 255), 2),
    files: own,
    entries: names,
    command: fc.constantFrom(...COMMANDS),
    isJson: fc.boolean(),
  }),
  async ({ said: lies, code, files, entries, command, isJson }) => {
    const sandbox = await sandboxes()
    const root = `/proc/${sandbox.pid}/root`
    for (const name of TOOLS) rmSync(root + join(SAID, name), { force: true })
    for (const [name, lie] of Object.entries(lies)) writeFileSync(root + join(SAID, name), lie)
    writeFileSync(root + join(SAID, 'code'), `${code}\n`)
    const remove = putAll(sandbox, files, entries)
    const isOfAll = command[0] === 'clean' || command[0] === 'sandbox'
    const [first = '', ...rest] = command
    const json = isJson && first !== 'exec' ? ['--json'] : []
    const argv = [
      first,
      ...(first === 'exec' ? ['--sandbox', 'bad', ...rest] : [...rest, ...json]),
      ...(isOfAll || first === 'exec' ? [] : ['--sandbox', 'bad']),
    ]
    const { code: status, stdout, stderr } = await cli(argv)
    const word = judgeCommand(argv, { code: status ?? -1, stdout, stderr, changed: false })
    if (HIDDEN.test(stdout + stderr)) throw new Error(`something hides in ${JSON.stringify(stdout + stderr)}`)
    if (isOfAll && status !== 0) throw new Error(`${first} exited with ${status}: ${stderr}`)
    if (first === 'sandbox' && !/good[^]*red/.test(stdout))
      throw new Error(`the other sandbox is not told of: ${stdout}`)
    if (first === 'clean' && listSandboxes().length > 0) throw new Error('clean left a sandbox')
    if (first !== 'clean') remove()
    return `${first} ${rest[0] ?? ''} ${word}`
  },
)
