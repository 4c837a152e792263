import { globSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { cli } from '../helpers.ts'

let home = ''
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'cnilab-cache-'))))
afterEach(() => rmSync(home, { recursive: true, force: true }))

const plan = () => cli(['netns', 'create', 'red', '--dry-run'], '', undefined, { XDG_CACHE_HOME: home })
const kept = () => globSync(`${home}/cnilab/*/*/*/*`)

it('keeps what was compiled, for each command, and only for commands', async () => {
  expect((await plan()).stdout).toBe('ip netns add red\n')
  const [file = '', ...others] = kept()
  expect([file, others]).toEqual([expect.stringMatching(/\/netns:create\/[^/]*main\.cjs$/), []])
  const { mtimeMs } = statSync(file)
  await plan()
  expect(statSync(file).mtimeMs).toBe(mtimeMs)
  await cli(['netns', 'crate', 'red'], '', undefined, { XDG_CACHE_HOME: home })
  await cli(['frobnicate'], '', undefined, { XDG_CACHE_HOME: home })
  expect(kept()).toEqual([file])
})

it.each([
  ['ends in the middle', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
  ['is empty', (file: string) => truncateSync(file, 0)],
  ['is of another version', (file: string) => replace(file, /cjs \d+/, 'cjs 1')],
  ['is no code', (file: string) => writeFileSync(file, `${heading(file)}\n${'no code '.repeat(1000)}`)],
])('is not used where it %s, and replaced', async (_what, spoil) => {
  await plan()
  const [file = ''] = kept()
  spoil(file)
  const spoilt = readFileSync(file)
  expect(await plan()).toMatchObject({ code: 0, stdout: 'ip netns add red\n', stderr: '' })
  expect(readFileSync(file).equals(spoilt)).toBe(false)
  expect(heading(file)).toMatch(/main\.cjs \d{4,} [\d.]+$/)
})

it('is left out where Node is told to keep nothing', async () => {
  const env = { XDG_CACHE_HOME: home, NODE_DISABLE_COMPILE_CACHE: '1' }
  expect((await cli(['netns', 'create', 'red', '--dry-run'], '', undefined, env)).code).toBe(0)
  expect(kept()).toEqual([])
})

function heading(file: string): string {
  return readFileSync(file, 'latin1').split('\n')[0] ?? ''
}

function replace(file: string, pattern: RegExp, by: string): void {
  writeFileSync(file, readFileSync(file, 'latin1').replace(pattern, by), 'latin1')
}
