import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exclusively } from '../../src/journal/exclusively.ts'
import { appendJournal, endEntries, readJournal } from '../../src/journal/journal.ts'
import { type Host, JOURNAL, MACHINE } from '../../src/kernel/host.ts'
import { parseOperation } from '../../src/operations/registry.ts'

let host: Host
let file: string
beforeEach(() => {
  host = { ...MACHINE, folder: mkdtempSync(join(tmpdir(), 'cnilab-journal-')) }
  file = join(host.folder, JOURNAL)
})
afterEach(() => rmSync(host.folder, { recursive: true, force: true }))

const bridge = (name: string) => ({ intent: name, operation: parseOperation('bridge', { name }), before: {} })
const ids = () => readJournal(host).map((entry) => entry.id)

it('remembers intents until they are undone, and then is gone', () => {
  appendJournal(host, [bridge('a'), bridge('b')])
  expect(ids()).toEqual(['a', 'b'])
  endEntries(host, ['a'])
  expect(ids()).toEqual(['b'])
  endEntries(host, ['b'])
  expect(() => readFileSync(file)).toThrow('ENOENT')
})

it('passes over a torn line, which does not swallow the next one', () => {
  appendJournal(host, [bridge('a')])
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"intent":"torn","ope`)
  appendJournal(host, [bridge('b')])
  expect(ids()).toEqual(['a', 'b'])
})

it('forgets what another boot wrote, and begins anew behind it', () => {
  writeFileSync(file, `{"boot":"another"}\n${JSON.stringify(bridge('old'))}\n`)
  expect(ids()).toEqual([])
  appendJournal(host, [bridge('new')])
  expect(ids()).toEqual(['new'])
})

it('keeps what a later version wrote', () => {
  appendJournal(host, [bridge('a')])
  const later = [
    { intent: 'x', operation: { kind: 'teleport', params: {} }, before: {} },
    { intent: 'y', operation: { kind: 'bridge', params: { name: 'y', colour: 'red' } }, before: {} },
  ]
  writeFileSync(file, `${readFileSync(file, 'utf8')}${later.map((line) => JSON.stringify(line)).join('\n')}\n`)
  expect(ids()).toEqual(['a'])
  endEntries(host, ['a'])
  expect(readFileSync(file, 'utf8')).toContain('teleport')
})

it('follows no link that a program of the sandbox put there', () => {
  const victim = join(host.folder, 'victim')
  writeFileSync(victim, 'mine')
  symlinkSync(victim, file)
  expect(() => appendJournal(host, [bridge('a')])).toThrow('cannot be used')
  expect(() => readJournal(host)).toThrow('cannot be used')
  expect(readFileSync(victim, 'utf8')).toBe('mine')
})

it('lets one act at a time', async () => {
  let inside = 0
  let most = 0
  const act = async () => {
    most = Math.max(most, ++inside)
    await new Promise((resolve) => setTimeout(resolve, 20))
    inside--
  }
  writeFileSync(join(host.folder, 'stays'), '')
  await Promise.all([1, 2, 3].map(() => exclusively(host, act)))
  expect(most).toBe(1)
})
