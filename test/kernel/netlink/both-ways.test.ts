import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import * as z from 'zod'

/** What the program both-ways-run.ts prints, in a namespace of its own. */
async function states(way: 'netlink' | 'program') {
  const script = `mount -t tmpfs run /run; mount -t tmpfs lib /var/lib; mkdir /run/netns; ip link set dev lo up; exec "$0" "$@"`
  const argv = ['-Urnm', 'sh', '-c', script, process.execPath, `${import.meta.dirname}/both-ways-run.ts`, way]
  const { stdout, stderr } = await promisify(execFile)('unshare', argv, { maxBuffer: 2 ** 28 })
  const schema = z.object({ what: z.string(), said: z.array(z.string()), left: z.array(z.string()) })
  const rows = [...stdout.matchAll(/^ROW (.*)$/gm)].map(([, json = '']) => schema.parse(JSON.parse(json)))
  return { rows, stderr }
}

it('netlink and programs lead to the same state, and read the same', async () => {
  const [netlink, programs] = await Promise.all([states('netlink'), states('program')])
  expect(netlink.stderr).toBe('')
  expect(netlink.rows.length).toBeGreaterThan(45)
  expect(netlink.rows.map(({ what }) => what)).toEqual(programs.rows.map(({ what }) => what))
  for (const [i, row] of netlink.rows.entries()) expect(row.said, row.what).toEqual(programs.rows[i]?.said)
  expect(netlink.rows.slice(-3).map(({ said }) => said.join())).not.toContain('nothing')
  // Only the names of namespaces are left to a program, and the firewall.
  const isLeft = (line: string) => /^ip netns (add|delete) /.test(line) || /\bcnilab_firewall\b|\bip f out\b/.test(line)
  expect(netlink.rows.flatMap(({ left }) => left).filter((line) => !isLeft(line))).toEqual([])
})
