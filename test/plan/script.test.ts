import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import { doPlan } from '../../src/engine/do.ts'
import { loadLab } from '../../src/lab/run/load.ts'
import { runCommands } from '../../src/lab/run/steps.ts'
import { toScript } from '../../src/plan/script.ts'
import { describe as lines } from '../../src/state/diff.ts'
import { readJson } from '../../src/state/json.ts'
import { parseRouted, READ_BATCH, READ_DOCUMENTS } from '../../src/state/parse.ts'
import { parseRuleset } from '../../src/state/parse-ruleset.ts'
import type { Namespace, State } from '../../src/state/state.ts'
import { scriptOf } from '../../src/ui/lab/lab-plan.ts'
import { cli, onEmptyMachine, withSandbox } from '../helpers.ts'
import { EVIL } from '../hostile/hostile.ts'

/** Runs a script in empty namespaces, where nothing of cnilab's is, and reads what it left there. */
function builtAlone(script: string): State {
  const read = `{ nft -j list ruleset; ip -j -d -batch /run/read; for file in /run/netns/*; do basename "$file"; nsenter --net="$file" ip -j -d -batch /run/read; done; }`
  const shell = `set -e; printf '${READ_BATCH.replaceAll('\n', '\\n')}' >/run/read; cat >/run/script; sh /run/script >/run/log; ${read}`
  const { status, stdout } = onEmptyMachine(shell, script)
  expect(status).toBe(0)
  const [rules = '', ...rest] = stdout.trimEnd().split('\n')
  const none = { inode: 0, since: 0, sysctls: {}, rules: [] }
  const state: [string, Namespace][] = [
    ['host', { ...parseRouted(rest.slice(0, READ_DOCUMENTS)), ...none, rules: parseRuleset(rules) }],
  ]
  for (let i = READ_DOCUMENTS; i < rest.length; i += READ_DOCUMENTS + 1)
    state.push([rest[i] ?? '', { ...parseRouted(rest.slice(i + 1, i + 1 + READ_DOCUMENTS)), ...none }])
  return new Map(state)
}

/** What the lab built: not the uplink and the internet, which only a sandbox has, nor the host's loopback. */
function built(state: State): string[] {
  return lines(state).filter(
    (line) =>
      !/^internet:|^host: (sysctl|link lo|link eth0|address lo|address eth0)|203\.0\.113\./.test(line) &&
      (!line.includes(': forwarding ') || line === 'host: forwarding inet all on'),
  )
}

describe('the script of a lab builds, alone, what the lab builds in a sandbox', () => {
  it.each<[string, string[], string[]]>([
    [
      'eight-steps',
      [],
      [
        'red: address eth0 10.22.0.2/16',
        'red: route default via 10.22.0.1 dev eth0',
        'host: address cni0 10.22.0.1/16',
        'host: link veth-b veth up mtu 1500 master cni0 peer red/eth0',
        'host: forwarding inet all on',
      ],
    ],
    [
      'eight-steps',
      ['subnet=fd00:22::/64', 'container=a.b_c-1', 'bridge=type'],
      ['a.b_c-1: address eth0 fd00:22::2/64', 'a.b_c-1: route default via fd00:22::1 dev eth0 metric 1024'],
    ],
    [
      'scale',
      ['containers=5'],
      ['c5: address eth0 10.22.0.6/16', 'host: link veth5 veth up mtu 1500 master cni0 peer c5/eth0'],
    ],
    ['by-hand', [], ['green: address eth0 10.22.0.4/16']],
  ])('%s %j', (name, set, some) =>
    withSandbox(async (kernel) => {
      const lab = await loadLab(name, set)
      await doPlan(kernel, lab.start)
      for (const { operations, run } of lab.steps) {
        await doPlan(kernel, operations)
        await runCommands(kernel, run)
      }
      const ours = built(await kernel.read())
      const { stdout: script } = await cli(['lab', 'run', name, '--script', ...set.flatMap((one) => ['--set', one])])
      expect(script).toBe(scriptOf(lab))
      expect(built(builtAlone(script))).toEqual(ours)
      expect(ours).toEqual(expect.arrayContaining(some))
      expect(ours.filter((line) => line.includes('masquerade'))).not.toEqual([])
    }),
  )
})

it('stops at the first command that fails', async () => {
  const script = scriptOf(await loadLab('eight-steps'))
  // A bridge of that name is there already: nothing of step 3 may be done.
  const shell = `ip link add name cni0 type bridge; sh -s || { ip -br link | cut -d' ' -f1; exit 9; }`
  const { status, stdout } = onEmptyMachine(shell, script)
  expect([status, stdout]).toEqual([9, 'lo\ncni0\n'])
})

it('keeps a title in its comment', () => {
  const script = toScript('a\ntouch /run/pwned', [{ title: 'b\ntouch /run/pwned', commands: [] }])
  expect(onEmptyMachine('sh -es; ls /run', script).stdout).toBe('netns\n')
})

it.each([`it's $HOME; *`, `${EVIL}'"\\`])('quotes what a shell would take for its own: %j', (alias) => {
  const commands = [{ tool: 'ip', argv: ['link', 'set', 'dev', 'a', 'alias', alias] }] as const
  const script = toScript(`t\r${EVIL}`, [{ title: EVIL, commands }])
  const { stdout } = onEmptyMachine('ip link add name a type bridge; sh -es; ip -j link show dev a', script)
  const schema = z.array(z.looseObject({ ifname: z.string(), ifalias: z.string() }))
  expect(readJson('ip', stdout, schema)).toMatchObject([{ ifname: 'a', ifalias: alias }])
})
