import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import * as z from 'zod'
import { kinds } from '../../src/operations/registry.ts'

const root = join(import.meta.dirname, '../..')
const files = ['src', 'commands']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
  )
  .filter((name) => name.endsWith('.ts') && !name.startsWith('src/operations/'))

const names = Object.keys(kinds).join('|')

/** Ways to ask what kind an operation is. An interface has a kind, too, by which it may be told. */
const ASKING = [
  /\boperation\.kind\b/,
  /\boperation: \{[^}]*\bkind\b[^}]*\}/,
  new RegExp(`(?<!link\\.)(?<!link\\?\\.)\\bkind (?:===|!==) '(?:${names})'`),
  new RegExp(`\\bswitch \\((?:\\w+\\.)?kind\\)[^}]*case '(?:${names})'`),
]

it('outside its own room nothing asks of which kind an operation is: what differs between kinds is a member of theirs', () => {
  expect(files.length).toBeGreaterThan(200)
  const asking = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, i) => (ASKING.some((pattern) => pattern.test(line)) ? [`${file}:${i + 1}: ${line.trim()}`] : [])),
  )
  expect(asking).toEqual([])
})

/** Kinds that act in no namespace of their own choosing, and why. */
const PLACELESS: Readonly<Record<string, string>> = {
  netns: 'names of namespaces are files of the host, whatever namespace they are made from',
}

it('every kind takes the namespace in which it acts', () => {
  const placeless = Object.entries(kinds)
    .filter(([, { params }]) => {
      const { properties = {} } = z.toJSONSchema(params, { io: 'input' })
      return !('netns' in properties)
    })
    .map(([kind]) => kind)
  expect(placeless).toEqual(Object.keys(PLACELESS))
})
