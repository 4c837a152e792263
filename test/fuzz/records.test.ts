import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll } from 'vitest'
import { decode, encode } from '../../src/cni/runtime/cache.ts'
import { cachedNetwork } from '../../src/cni/config/network.ts'
import { CniError } from '../../src/cni/protocol/error.ts'
import { parseResult, toVersion } from '../../src/cni/protocol/result.ts'
import { VERSIONS } from '../../src/cni/protocol/versions.ts'
import { appendJournal, readJournal } from '../../src/journal/journal.ts'
import { newProgress, readProgress, writeProgress } from '../../src/lab/run/progress.ts'
import { progressFileOf } from '../../src/lab/run/progress-file.ts'
import { JOURNAL, MACHINE } from '../../src/kernel/host.ts'
import { makeFolder } from '../../src/kernel/make-folder.ts'
import { bindOperation, parseOperation } from '../../src/operations/registry.ts'
import { HOST } from '../../src/state/state.ts'
import { json, mutated, objectOf, text } from './arbitraries.ts'
import { fuzz } from './fuzz.ts'
import { expectClean } from './invariants.ts'
import { journal, progress } from './journals.ts'
import { networks, results } from './networks.ts'

const folder = mkdtempSync(join(tmpdir(), 'cnilab-fuzz-'))
process.env['XDG_STATE_HOME'] = folder
afterAll(() => rmSync(folder, { recursive: true, force: true }))

fuzz('a result of any version is read or refused, and passed on unchanged', 4, results, (made) => {
  let result
  try {
    result = parseResult(made)
  } catch (error) {
    if (error instanceof CniError) return 'refused'
    throw error
  }
  for (const version of VERSIONS) {
    const once = toVersion(result, version)
    const twice = toVersion(parseResult(JSON.parse(JSON.stringify(once))), version)
    if (JSON.stringify(once) !== JSON.stringify(twice))
      throw new Error(`${JSON.stringify(once)} becomes ${JSON.stringify(twice)}`)
  }
  return 'read'
})

const cached = fc.oneof(
  fc
    .tuple(
      objectOf({
        network: text,
        containerId: text,
        ifname: text,
        netns: text,
        args: fc.array(fc.tuple(text, text)),
        capabilityArgs: fc.dictionary(text, json),
      }),
      mutated(networks.map((one) => JSON.stringify(one))),
      results,
    )
    .map(([given, config, result]) => {
      const all = { network: 'n', containerId: 'c', ifname: 'eth0', netns: '', args: [], capabilityArgs: {}, ...given }
      try {
        return encode(Object(all), config, result)
      } catch {
        return '' // what is no attachment cannot be written either
      }
    }),
  json.map((one) => JSON.stringify(one)),
)

fuzz('a file of the result cache is an entry or none', 4, mutated(cached), (file) => {
  try {
    const entry = decode(file)
    cachedNetwork(entry)
    if (JSON.stringify(entry).includes('\\u0000')) throw new TypeError('a NUL character, which no program can be given')
    return 'an entry'
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error
    return 'none'
  }
})

fuzz('a journal is read, and what is written after whatever stands in it is there', 5, journal, (content) => {
  const host = { ...MACHINE, folder }
  writeFileSync(join(folder, JOURNAL), content)
  const entries = readJournal(host)
  const now = new Map([[HOST, undefined]])
  for (const entry of entries) {
    const bound = bindOperation(entry.operation)
    expectClean(`${bound.id}\n${bound.expected}`)
    bound.undo(entry.before, now)
  }
  appendJournal(host, [{ intent: 'mine', operation: parseOperation('netns', { name: 'mine' }), before: {} }])
  const last = readJournal(host).at(-1)
  if (last?.id !== 'mine') throw new Error('what was written is not there')
  return entries.length > 0 ? 'with entries' : 'without'
})

fuzz("a lab's progress is read, or there is none, and what is written is there", 4, progress, (content) => {
  const file = progressFileOf('default')
  makeFolder(dirname(file))
  writeFileSync(file, content)
  const read = readProgress({ name: 'default' })
  if (read) expectClean([read.lab, ...read.set].join('\n'))
  writeProgress({ name: 'default' }, read ?? newProgress('scale', []))
  const again = readProgress({ name: 'default' })
  if (again?.lab !== (read?.lab ?? 'scale')) throw new Error('what was written is not there')
  return read ? 'read' : 'none'
})
