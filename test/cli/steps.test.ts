import { expect, it } from 'vitest'
import * as z from 'zod'
import { cli } from '../helpers.ts'

const network = [
  'netns create red',
  'bridge create cni0',
  'veth pair veth-red veth-red-br',
  'attach veth-red --netns red --name eth0',
  'attach veth-red-br --bridge cni0',
  'ip assign 10.22.0.2/16 eth0 --netns red',
  'ip assign 10.22.0.1/16 cni0',
  'up cni0 veth-red-br',
  'up lo eth0 --netns red',
  'route add default --via 10.22.0.1 --netns red',
  'masquerade 10.22.0.0/16',
]

const undo = [
  'masquerade 10.22.0.0/16 --delete',
  'route delete default --via 10.22.0.1 --netns red',
  'up eth0 --netns red --undo',
  'ip assign 10.22.0.1/16 cni0 --undo',
  'attach veth-red-br --bridge cni0 --undo',
  'veth delete veth-red-br',
  'bridge delete cni0',
  'netns delete red',
]

const forwarding = ['exec', '--', 'cat', '/proc/sys/net/ipv4/ip_forward']
const statuses = z.object({ operations: z.array(z.object({ status: z.string() })) })

it('the eight subcommands alone build a network that reaches the internet, and take it back', async () => {
  const call = ['exec', '--netns', 'red', '--', 'ping', '-c1', '-W2', '203.0.113.1']
  for (const line of network) {
    const { code, stderr } = await cli(line.split(' '))
    expect([line, code, stderr.replace(/^sandbox .*\n/, '')]).toEqual([line, 0, ''])
  }
  expect((await cli(call)).code).toBe(0)
  expect((await cli(forwarding)).stdout).toBe('1\n')
  for (const line of network) {
    const { code, stdout } = await cli([...line.split(' '), '--json'])
    expect([
      line,
      code,
      statuses.parse(JSON.parse(stdout)).operations.every(({ status }) => status === 'already'),
    ]).toEqual([line, 0, true])
  }
  expect((await cli(['netns', 'list', '--json'])).stdout).toBe((await cli(['netns', 'list', '--json'])).stdout)
  expect((await cli(['bridge', 'delete', 'cni0'])).stderr).toContain('veth-red-br')
  for (const line of undo) {
    expect([line, (await cli(line.split(' '))).code]).toEqual([line, 0])
    expect([line, (await cli([...line.split(' '), '--dry-run'])).stdout]).toEqual([line, ''])
  }
  expect((await cli(forwarding)).stdout).toBe('0\n')
  expect((await cli(['netns', 'list', '--json'])).stdout).toContain('"containers": []')
  expect((await cli(['exec', '--', 'nft', 'list', 'ruleset'])).stdout).toBe('')
})

it('forwarding that was on before stays on', async () => {
  await cli(['exec', '--', 'sysctl', '-w', 'net.ipv4.ip_forward=1'])
  await cli(['masquerade', '10.9.0.0/16'])
  await cli(['masquerade', '10.9.0.0/16', '--delete'])
  expect((await cli(forwarding)).stdout).toBe('1\n')
})

it('mixes with plain ip', async () => {
  await cli(['exec', '--', 'ip', 'netns', 'add', 'blue'])
  expect((await cli(['netns', 'create', 'blue'])).stdout).toContain('Already there')
  expect((await cli(['netns', 'delete', 'blue'])).code).toBe(0)
  expect((await cli(['exec', '--', 'ip', 'netns', 'list'])).stdout).not.toContain('blue')
})

it('says that it is already there, in words, and runs nothing', async () => {
  await cli(['bridge', 'create', 'again'])
  const before = (await cli(['exec', '--', 'ip', '-j', 'link', 'show', 'dev', 'again'])).stdout
  const { code, stdout } = await cli(['bridge', 'create', 'again'])
  expect([code, stdout]).toEqual([0, '= Already there: again is a bridge\n'])
  expect((await cli(['exec', '--', 'ip', '-j', 'link', 'show', 'dev', 'again'])).stdout).toBe(before)
  await cli(['bridge', 'delete', 'again'])
  const gone = await cli(['bridge', 'delete', 'again'])
  expect([gone.code, gone.stdout.includes('nothing to do')]).toEqual([0, true])
})

it('--dry-run of taking back starts no sandbox, and shows what really follows', async () => {
  const nowhere = await cli(['netns', 'delete', 'red', '--dry-run', '--sandbox', 'none'])
  expect(nowhere).toEqual({ code: 0, stdout: '', stderr: 'nothing to do\n' })
  expect((await cli(['sandbox', 'list', '--json'])).stdout).not.toContain('"none"')
  await cli(['exec', '--', 'sysctl', '-w', 'net.ipv4.ip_forward=0'])
  await cli(['masquerade', '10.8.0.0/16'])
  const planned = await cli(['masquerade', '10.8.0.0/16', '--delete', '--dry-run'])
  expect(planned.stdout).toContain('nft delete table ip cnilab_10_8_0_0_16\nsysctl -w net.ipv4.ip_forward=0\n')
  expect((await cli(forwarding)).stdout).toBe('1\n')
  const done = await cli(['masquerade', '10.8.0.0/16', '--delete'])
  expect(done.stdout.split('\n  $ ').slice(1).join('\n')).toBe(planned.stdout)
})

it('forwarding of one family does not hang on rules of the other', async () => {
  await cli(['exec', '--', 'sysctl', '-w', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0'])
  await cli(['masquerade', '10.8.0.0/16'])
  await cli(['masquerade', 'fd00::/64'])
  await cli(['masquerade', 'fd00::/64', '--delete'])
  expect((await cli(['exec', '--', 'cat', '/proc/sys/net/ipv6/conf/all/forwarding'])).stdout).toBe('0\n')
  expect((await cli(forwarding)).stdout).toBe('1\n')
  await cli(['masquerade', '10.8.0.0/16', '--delete'])
})

it('takes back only what was named', async () => {
  await cli(['bridge', 'create', 'br7'])
  await cli(['bridge', 'create', 'br8'])
  await cli(['ip', 'assign', '10.7.0.1/24', 'br7'])
  await cli(['veth', 'pair', 'x7', 'y7'])
  await cli(['attach', 'x7', '--bridge', 'br7'])
  await cli(['route', 'add', '10.9.0.0/24', '--via', '203.0.113.1'])
  for (const line of [
    'ip assign 10.7.0.1/16 br7 --undo',
    'attach x7 --bridge br8 --undo',
    'route delete 10.9.0.0/24 --via 203.0.113.9',
  ])
    expect([line, (await cli(line.split(' '))).stdout.startsWith('= Does not exist')]).toEqual([line, true])
  const now = (await cli(['exec', '--', 'sh', '-c', 'ip -br address show br7; ip -br link show master br7; ip route']))
    .stdout
  expect(now).toMatch(/10\.7\.0\.1\/24[^]*x7@y7[^]*10\.9\.0\.0\/24 via 203\.0\.113\.1/)
})

it('deletes a namespace that was made anew by hand', async () => {
  await cli(['netns', 'create', 'blue'])
  await cli(['exec', '--', 'sh', '-c', 'ip netns delete blue; ip netns add blue'])
  await cli(['netns', 'delete', 'blue'])
  expect((await cli(['exec', '--', 'ip', 'netns', 'list'])).stdout).not.toContain('blue')
})

it('forwarding stays on until the last masquerade goes', async () => {
  await cli(['exec', '--', 'sysctl', '-w', 'net.ipv4.ip_forward=0'])
  await cli(['masquerade', '10.8.0.0/16'])
  await cli(['masquerade', '10.9.0.0/16'])
  await cli(['masquerade', '10.8.0.0/16', '--delete'])
  expect((await cli(forwarding)).stdout).toBe('1\n')
  await cli(['masquerade', '10.9.0.0/16', '--delete'])
  expect((await cli(forwarding)).stdout).toBe('0\n')
})

it('--explain of a deletion shows what it runs, and not how the thing might have been made', async () => {
  await cli(['exec', '--', 'ip', 'link', 'add', 'link', 'eth0', 'name', 'm', 'type', 'macvlan'])
  const { stdout } = await cli(['macvlan', 'delete', 'm', '--explain'])
  expect(stdout).toMatch(/^Delete the macvlan interface m\n[^]*\n {2}\$ ip link delete dev m\n$/)
  await cli(['macvlan', 'delete', 'm'])
  expect((await cli(['macvlan', 'delete', 'm', '--explain'])).stdout).not.toContain('ip link')
})

it('--dry-run and --explain of every subcommand run nothing', async () => {
  await cli(['netns', 'list'])
  const before = (await cli(['exec', '--', 'sh', '-c', 'ip -j link; ip netns; nft list ruleset'])).stdout
  const others = [
    'macvlan create m --parent eth0 --mode vepa',
    'ipvlan create i --parent eth0 --mode l3',
    'vlan create v --parent eth0 --id 10',
  ]
  for (const line of [...network, ...others])
    for (const flag of ['--dry-run', '--explain']) {
      const { code, stdout } = await cli([...line.split(' '), flag])
      expect([line, flag, code, stdout === '']).toEqual([line, flag, 0, false])
    }
  expect((await cli(['exec', '--', 'sh', '-c', 'ip -j link; ip netns; nft list ruleset'])).stdout).toBe(before)
})
