import { expect, it } from 'vitest'
import { isLong } from '../../long.ts'
import {
  after,
  type Answer,
  cni,
  everything,
  json,
  network,
  OURS,
  pings,
  reserved,
  rich,
  sh,
  withNamespaces,
} from '../plugin.ts'

const names = (count: number) => Array.from({ length: count }, (_, i) => `n${i}`)

it(
  '64 ADDs at once give 64 containers an address of their own, and 64 DELs at once take all away',
  { timeout: 120_000 },
  () =>
    withNamespaces(names(64), async (kernel) => {
      const config = network()
      await cni(kernel, 'DEL', config, { netns: 'n0' })
      const results = await Promise.all(names(64).map((netns) => cni(kernel, 'ADD', config, { netns })))
      expect(results.filter(({ code }) => code !== undefined)).toEqual([])
      expect(new Set(results.map(({ ips }) => ips?.[0]?.address)).size).toBe(64)
      expect(await reserved(kernel)).toHaveLength(64)
      expect(await json(kernel, 'ip -j link show master cni0')).toHaveLength(64)
      for (const i of [0, 31, 63]) {
        expect(await cni(kernel, 'CHECK', after(config, results[i] ?? {}), { netns: `n${i}` })).toEqual({})
        expect(await pings(kernel, `n${i}`, '10.22.0.1')).toBe(true)
      }
      const answers = await Promise.all(
        names(64).map((netns, i) => cni(kernel, 'DEL', after(config, results[i] ?? {}), { netns })),
      )
      expect(answers.filter(({ code }) => code !== undefined)).toEqual([])
      expect(await reserved(kernel)).toEqual([])
      expect(await json(kernel, 'ip -j link show type veth')).toMatchObject([{ ifname: 'eth0' }])
      expect(await json(kernel, 'ip -j link show type bridge')).toMatchObject([{ ifname: 'cni0' }])
      expect(await sh(kernel, 'nft list ruleset')).toBe('')
    }),
)

/** Runs the plugin and kills it after so many seconds; then it is a success that printed nothing, and is counted. */
const KILLED = '/tmp/killed'
const killing = `#!/bin/sh
cat >/tmp/input.$$
${OURS}/bridge </tmp/input.$$ &
sleep "\${CNI_ARGS#SECONDS=}"
kill -9 $! 2>/dev/null
wait $!
status=$?
[ $status != 137 ] || { echo $CNI_COMMAND >>/tmp/kills; exit 0; }
exit $status
`
const PARALLEL = 8
const KILLS = isLong ? 200 : 80

it(
  `${KILLS} kills in the middle of ADD and DEL leave nothing that DEL and GC do not take away`,
  { timeout: 180_000 },
  () =>
    withNamespaces(names(PARALLEL), async (kernel) => {
      await sh(kernel, `cat >${KILLED} <<'END'\n${killing}END\nchmod 755 ${KILLED}; : >/tmp/kills`)
      const all = names(PARALLEL)
      const timed = async (command: 'ADD' | 'DEL') => {
        const started = performance.now()
        await Promise.all(all.map((netns) => cni(kernel, command, rich, { netns })))
        return (performance.now() - started) / 1000
      }
      const seconds = { ADD: await timed('ADD'), DEL: await timed('DEL') }
      const before = await everything(kernel)

      const kill = (command: 'ADD' | 'DEL', netns: string): Promise<Answer> => {
        const args = `SECONDS=${(Math.random() * seconds[command]).toFixed(3)}`
        return cni(kernel, command, rich, { netns, file: KILLED, args })
      }
      let kills: string[] = []
      const complaints: (string | undefined)[] = []
      for (let round = 0; kills.length < KILLS; round++) {
        await Promise.all(
          all.map(async (netns, i) => {
            if ((round + i) % 2 === 0) await kill('ADD', netns)
            else {
              complaints.push((await cni(kernel, 'ADD', rich, { netns })).msg)
              await kill('DEL', netns)
            }
            await kill('DEL', netns)
            complaints.push((await cni(kernel, 'DEL', rich, { netns })).msg)
          }),
        )
        kills = (await sh(kernel, 'cat /tmp/kills')).split('\n').slice(0, -1)
      }
      expect(complaints.filter((msg) => msg !== undefined)).toEqual([])
      expect(kills.filter((command) => command === 'ADD').length).toBeGreaterThan(KILLS / 5)
      expect(kills.filter((command) => command === 'DEL').length).toBeGreaterThan(KILLS / 5)
      expect(await cni(kernel, 'GC', { ...rich, 'cni.dev/valid-attachments': [] })).toEqual({})
      expect(await everything(kernel)).toEqual(before)

      const started = performance.now()
      expect((await cni(kernel, 'ADD', rich, { netns: 'n0' })).msg).toBeUndefined()
      expect(performance.now() - started).toBeLessThan(2000)
      expect(await pings(kernel, 'n0', '10.22.0.1')).toBe(true)
    }),
)

it('GC alone takes away what killed ADDs left', { timeout: 120_000 }, () =>
  withNamespaces(names(PARALLEL), async (kernel) => {
    await sh(kernel, `cat >${KILLED} <<'END'\n${killing}END\nchmod 755 ${KILLED}`)
    const all = names(PARALLEL)
    await cni(kernel, 'ADD', rich, { netns: 'n0' })
    const before = await everything(kernel)
    for (let round = 1; round <= 4; round++) {
      await Promise.all(
        all
          .slice(1)
          .map((netns, i) =>
            cni(kernel, 'ADD', rich, { netns, file: KILLED, args: `SECONDS=${(round * 0.1 + i * 0.03).toFixed(2)}` }),
          ),
      )
      const valid = [{ containerID: 'c-n0', ifname: 'eth0' }]
      expect(await cni(kernel, 'GC', { ...rich, 'cni.dev/valid-attachments': valid })).toEqual({})
      expect(await everything(kernel)).toEqual(before)
    }
  }),
)
