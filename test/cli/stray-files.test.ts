import { beforeAll, expect, it } from 'vitest'
import { cli, onTerminal, type Run } from '../helpers.ts'

/** What may lie in /run/netns besides namespaces. */
const STRAYS = ['pipe', 'plain', 'shut', 'folder', 'loop', 'nowhere', 'topipe', 'zero']

const MAKE = `ip netns add red
cd /run/netns
mkfifo pipe
echo text >plain
: >shut; chmod 0 shut
mkdir folder
ln -s loop loop
ln -s /no/such nowhere
ln -s pipe topipe
: >zero; mount --bind /dev/zero zero`

/** Ends it after ten seconds, and then its code is null. */
function quick(line: string): Promise<Run> {
  return cli(line.split(' '), '', (kill) => void setTimeout(() => kill('SIGKILL'), 10_000).unref())
}

beforeAll(async () => {
  await cli(['exec', '--', 'sh', '-ec', MAKE])
})

it('every other command goes on', async () => {
  const list = await quick('netns list --json')
  expect(list.code).toBe(0)
  expect(list.stderr).toContain('folder loop nowhere pipe plain shut topipe zero')
  expect(JSON.parse(list.stdout)).toMatchObject({ containers: [{ name: 'red' }] })
  for (const line of [
    'sandbox list',
    'bridge create br0',
    'veth pair a b',
    'attach a --netns red --name eth0',
    'ip assign 10.9.0.2/24 eth0 --netns red',
    'up eth0 lo --netns red',
    'up b br0',
    'masquerade 10.9.0.0/24',
    'bridge list',
    'netns create blue',
    'bridge add web blue',
    'bridge check web blue',
    'cni gc mynet',
    'bridge del web blue',
    'exec --netns red -- true',
    'lab show eight-steps',
  ]) {
    const { code, stderr } = await quick(line)
    expect([line, code, stderr]).toEqual([line, 0, expect.not.stringContaining('Error')])
  }
})

it.each([
  ...STRAYS.flatMap((name) => [`exec --netns ${name} -- true`, `cni add mynet ${name}`, `netns create ${name}`]),
  'shell pipe',
  'ip assign 10.0.0.2/24 eth0 --netns pipe',
  'up lo --netns pipe',
  'route add default --via 10.0.0.1 --netns pipe',
  'bridge add web pipe',
  'cni add mynet /run/netns/pipe',
])('%s is refused', async (line) => {
  const { code, stderr } = await quick(line)
  expect([code, stderr]).toEqual([1, expect.not.stringContaining('bug in cnilab')])
})

it('a stray file is told of where a namespace is to be made, and netns delete removes it', async () => {
  const create = await quick('netns create plain')
  expect(create.stderr).toContain('the file /run/netns/plain is not a namespace')
  expect(create.stderr).toContain('what to do: cnilab exec -- rm -d /run/netns/plain, or choose another name')
  expect((await quick('netns delete plain')).code).toBe(0)
  expect((await quick('netns create plain')).code).toBe(0)
  expect((await quick('exec -- rm -d /run/netns/folder')).code).toBe(0)
  expect((await quick('netns create folder')).code).toBe(0)
})

it('a lab goes on among them, and with a pipe in the place of its namespaces and of the internet', async () => {
  const lab = (line: string) => quick(`${line} --sandbox lab`)
  await lab('lab start eight-steps')
  const replace =
    'for name in internet red; do umount /run/netns/$name; rm -f /run/netns/$name; mkfifo /run/netns/$name; done'
  await cli(['exec', '--sandbox', 'lab', '--', 'sh', '-c', `${MAKE}; ${replace}`])
  const check = await lab('lab check')
  expect([check.code, check.stdout]).toEqual([1, expect.stringContaining('the file /run/netns/red is not a namespace')])
  const { code, screen } = await onTerminal('lab watch --sandbox lab', [['/run/netns/red is', 'q']])
  expect([code, screen.includes('fault')]).toEqual([0, false])
  expect((await lab('step')).code).toBe(0)
  expect((await lab('step netns')).code).toBe(0) // a file in its place is in nobody's way in a sandbox
  expect((await lab('lab reset --yes')).code).toBe(0)
  expect((await lab('step netns')).code).toBe(0)
})
