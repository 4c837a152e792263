import { expect, it } from 'vitest'
import { readJsonSource } from '../../../src/cni/config/json-source.ts'

it.each([
  ['{\n  "a": 1,\n}', 3, 1, 'there must be no comma before }'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'a comma or colon is missing before this'],
  ['{"a": [1, 2}', 1, 12, "'}' is not allowed here"],
  ['{"a": 1', 1, 8, 'the file ends too early: a bracket, brace or quote is not closed'],
  ['{"a": /* why */ 1}', 1, 7, 'JSON has no comments'],
  ["{'a': 1}", 1, 2, "strings and keys need double quotes, not '"],
  ['{"a": tru}', 1, 7, "'tru' is not allowed here"],
  ['', 1, 1, 'the file is empty'],
  ['\uFEFF{}', 1, 1, 'the file begins with a byte order mark, which JSON does not allow'],
])('says where %j is not JSON, and why', (text, line, column, message) => {
  expect(readJsonSource(text)).toEqual({ line, column, message })
})

it('refuses a line break in a text, which only the standard parser notices', () => {
  expect(readJsonSource('{"a": "x\ny"}')).toHaveProperty('message')
})

it('finds keys and values, and the nearest parent of what is missing', () => {
  const source = readJsonSource('{\n  "list": [1,\n    { "key": true }]\n}')
  if ('message' in source) throw new Error(source.message)
  expect(source.placeOf(['list', 1, 'key'])).toEqual({ line: 3, column: 14 })
  expect(source.placeOf(['list', 1, 'key'], 'key')).toEqual({ line: 3, column: 7 })
  expect(source.placeOf(['list', 1, 'other'])).toEqual({ line: 3, column: 5 })
  expect(source.placeOf(['none'])).toEqual({ line: 1, column: 1 })
})

it('notices a key that stands twice', () => {
  const source = readJsonSource('{"a": {"b": 1, "b": 2}}')
  expect(source).toMatchObject({ repeated: [{ path: ['a', 'b'], place: { line: 1, column: 16 } }] })
})
