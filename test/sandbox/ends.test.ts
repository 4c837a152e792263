import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { cli, eventually, processesWith, removeSandboxes, runtime } from '../helpers.ts'
import { isLong } from '../long.ts'

const folder = join(runtime, 'cnilab')

afterEach(removeSandboxes)

/** What there is of sandboxes: folders, processes, mounts. */
function left(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return [
    ...(existsSync(folder) ? [folder, ...readdirSync(folder)] : []),
    ...processesWith(folder).map((pid) => `process ${pid}`),
    ...mounts.filter((mount) => mount.includes(runtime)),
  ]
}

async function expectNothing(): Promise<void> {
  await eventually(() => left().length === 0)
  expect(left()).toEqual([])
}

/** Moments in ms after the folder of a sandbox was made: it takes some 60 ms, and more where others are at work. */
const MOMENTS = isLong ? Array.from({ length: 60 }, (_, i) => i * 3) : [0, 25, 50]

describe.each(['netns create red', 'lab run --auto', 'doctor'])(
  '%s that is killed while it makes a sandbox',
  (words) => {
    it.each(MOMENTS)(
      '%i ms after the begin: the next command finds nothing in its way, and clean leaves nothing',
      async (ms) => {
        const killed = await cli(words.split(' '), '', (kill) => {
          const timer = setInterval(() => {
            if (!existsSync(folder) || readdirSync(folder).length === 0) return
            clearInterval(timer)
            setTimeout(() => kill('SIGKILL'), ms)
          }, 1)
          setTimeout(() => clearInterval(timer), 10_000)
        })
        expect([null, 0]).toContain(killed.code) // it may have been done
        // Theirs end by themselves; one that was to stay may have come so far.
        if (!words.startsWith('netns')) await expectNothing()
        expect(await cli(['netns', 'list'])).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Error') })
        expect(await cli(['clean'])).toMatchObject({ code: 0, stderr: '' })
        await expectNothing()
      },
    )
  },
)

/** In ms: when the first `clean` begins after a command, and when the second. */
const TURNS = isLong
  ? Array.from({ length: 40 }, (_, i) => [i * 12, ((i * 7) % 11) * 20])
  : [
      [0, 60],
      [140, 40],
      [240, 90],
    ]

describe.each([['netns create red'], ['exec -- true'], ['lab run --auto']])(
  '%s while sandboxes are cleaned away',
  (words) => {
    it.each(TURNS)('after %i ms, and %i ms after that', async (first = 0, second = 0) => {
      const command = cli(words.split(' '))
      await sleep(first)
      const cleans = [cli(['clean'])]
      await sleep(second)
      cleans.push(cli(['clean']))
      const { code, stderr } = await command
      // Its sandbox may have been taken away: that is its error, or kills what it runs (137). Nothing else is to blame.
      expect([stderr, [0, 1, ...(words.startsWith('exec') ? [137] : [])].includes(code ?? -1)]).toEqual([
        expect.not.stringMatching(/a program in|doctor|a bug in|could not start a responder/),
        true,
      ])
      for (const clean of await Promise.all(cleans)) expect(clean).toMatchObject({ code: 0, stderr: '' })
      expect(await cli(['clean'])).toMatchObject({ code: 0, stderr: '' })
      await expectNothing()
    })
  },
)
