import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import * as z from 'zod'
import { cli } from '../helpers.ts'
import { some } from '../long.ts'
import { EVIL, expectVisible } from './hostile.ts'

const schema = z.object({
  commands: z.record(
    z.string(),
    z.object({
      args: z.record(z.string(), z.unknown()),
      flags: z.record(z.string(), z.object({ type: z.string() })),
    }),
  ),
})
const manifest = readFileSync(join(import.meta.dirname, '..', '..', 'oclif.manifest.json'), 'utf8')
const commands = Object.entries(schema.parse(JSON.parse(manifest)).commands)

/** Arguments with which a command comes further than to "there is no such thing". */
const GOOD: Readonly<Record<string, string>> = {
  plugin: 'loopback',
  lab: 'eight-steps',
  network: 'mynet',
  netns: 'red',
}
/** What a command has to be told so that it changes nothing out here. */
const MORE: Readonly<Record<string, readonly string[]>> = { 'cni:install': ['--uninstall'] }

describe.concurrent('what is typed steers no terminal', () => {
  it.each([
    [EVIL],
    ['help', EVIL],
    ['lab', EVIL],
    [`--${EVIL}`],
    ['netns', 'list', `--${EVIL}`],
    ['netns', 'list', EVIL],
    ['lab', 'list', `-${EVIL}`],
    ['exec', EVIL],
    ['lab', 'run', '--set', `subnet=${EVIL}`],
    ['lab', 'run', '--set', `${EVIL}=1`],
    ['lab', 'show', `./${EVIL}.yaml`],
    ['cni', 'conformance', 'loopback', `--report=${EVIL}`],
  ])('%j %j %j %j', async (...args) => {
    expectVisible(await cli(args))
    expectVisible(await cli([...args, '--json']))
  })

  const withArgs = commands.map(([id, { args, flags }]) => ({ id, args: Object.keys(args), flags }))
  it.each(
    some(
      withArgs.filter(({ args }) => args.length > 0),
      3,
    ),
  )('the arguments of $id', async ({ id, args }) => {
    const words = [...id.split(':'), ...args.map(() => EVIL)]
    expectVisible(await cli(words))
    expectVisible(await cli([...words, '--json']))
  })

  const withFlags = withArgs.flatMap(({ id, args, flags }) =>
    Object.entries(flags).flatMap(([flag, { type }]) => {
      const isCommon = flag === 'sandbox' && id !== 'netns:list'
      return type === 'option' && !isCommon ? [{ id, args, flag }] : []
    }),
  )
  it.each(some(withFlags, 3))('--$flag of $id', async ({ id, args, flag }) => {
    const words = [...id.split(':'), ...args.map((name) => GOOD[name] ?? 'x1'), ...(MORE[id] ?? [])]
    expectVisible(await cli([...words, `--${flag}=${EVIL}`]))
  })
})

describe('what the environment says steers no terminal', () => {
  it.each([
    ['CNILAB_SANDBOX', ['netns', 'list']],
    ['CNILAB_SANDBOX', ['step', 'veth', '--show']],
    ['NETCONFPATH', ['cni', 'add', 'mynet', 'red']],
    ['NETCONFPATH', ['cni', 'configs']],
    ['CNI_PATH', ['cni', 'add', 'mynet', 'red', '--dry-run']],
    ['CNI_PATH', ['cni', 'plugins']],
    ['CNI_PATH', ['cni', 'conformance', 'nosuch']],
    ['CNI_ARGS', ['cni', 'add', 'mynet', 'red']],
    ['CNI_IFNAME', ['cni', 'add', 'mynet', 'red']],
    ['CAP_ARGS', ['cni', 'add', 'mynet', 'red']],
    ['XDG_STATE_HOME', ['lab', 'status']],
    ['XDG_RUNTIME_DIR', ['sandbox', 'list']],
    ['TERM', ['lab', 'list']],
  ] as const)('%s: %j', async (name, args) => {
    expectVisible(await cli(args, '', undefined, { [name]: EVIL }))
    expectVisible(await cli(args, '', undefined, { [name]: `/tmp/${EVIL}` }))
  })
})
