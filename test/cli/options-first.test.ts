import { expect, it } from 'vitest'
import { cli } from '../helpers.ts'

it('an option before the subcommand acts where it says', async () => {
  expect(await cli(['netns', '--sandbox', 'blue', 'create', 'red'])).toMatchObject({ code: 0 })
  expect((await cli(['--json', '--sandbox=blue', 'netns', 'list'])).stdout).toContain('"name": "red"')
  expect((await cli(['--sandbox', 'blue', 'exec', '--', 'ip', 'netns'])).stdout).toContain('red')
})

it.each([
  [['netns', '--dry-run', 'create', 'red'], 'ip netns add red'],
  [['--sandbox', 'blue', 'netns', 'create', 'red', '--dry-run'], 'ip netns add red'],
  [['ip', '--netns', 'red', 'assign', '10.0.0.1/8', 'a', '--dry-run'], 'ip -n red address add 10.0.0.1/8 dev a'],
  [['cni', '--json', 'configs', '--conf-dir', '/nosuch'], '"schema": "cnilab/cni-configs/v1"'],
  [['lab', '--json', 'list'], '"schema": "cnilab/labs/v1"'],
  [['--sandbox', 'blue', 'step', '--show', 'netns'], 'Create a network namespace'],
])('%j is done', async (args, shown) => {
  expect(await cli(args)).toMatchObject({ code: 0, stdout: expect.stringContaining(shown) })
})

it.each([
  [['netns', '--sandbox', 'blue'], 'followed by one of create, delete, list'],
  [['netns', '--sandbox', 'blue', 'nosuch'], 'followed by one of create, delete, list'],
  [['netns', '--bogus', 'create', 'red'], 'Nonexistent flag: --bogus'],
  [['lab', '--plain', 'list'], 'Nonexistent flag: --plain'],
  [['--sandbox', 'blue'], 'there is no command in'],
  [['--bogus', 'netns', 'create', '--', 'red'], 'Nonexistent flag: --bogus'],
  [['--', 'netns', 'create', 'red'], 'there is no command in'],
  [['cni', '--json', 'nosuch'], 'followed by one of add, check'],
  [['cni', 'nosuch'], "there is no command 'cni nosuch'"],
])('%j is refused', async (args, why) => {
  const { code, stdout, stderr } = await cli(args)
  expect(`${stdout}${stderr}`).toContain(why)
  expect(code).toBe(2)
})

it.each([
  [['netns'], 'netns create'],
  [['cni', '-h'], 'cni runtimes'],
  [['-h', 'netns'], 'netns create'],
  [['netns', '--sandbox', 'blue', '--help', 'create'], 'name of the namespace'],
  [['netns', 'create', 'red', '-h'], 'name of the namespace'],
  [['--help'], 'TOPICS'],
])('%j is help', async (args, shown) => {
  expect(await cli(args)).toMatchObject({ code: 0, stdout: expect.stringContaining(shown) })
})
