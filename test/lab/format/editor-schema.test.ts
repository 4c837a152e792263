import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { cli } from '../../helpers.ts'
import { labNames } from '../../../src/lab/run/load.ts'
import { editorSchema } from '../../../src/lab/format/editor-schema.ts'
import { type Parameter, reference } from '../../../src/lab/format/reference.ts'

const labs = join(import.meta.dirname, '../../../labs')
const validate = new Ajv2020({ allowUnionTypes: true }).compile(editorSchema())
const lab = (name: string) => readFileSync(join(labs, `${name}.yaml`), 'utf8')

it('the published schema is the one that the program has', () => {
  expect(JSON.parse(readFileSync(join(labs, 'lab.schema.json'), 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(editorSchema())),
  )
})

it.each(labNames())('%s is valid by the published schema, and names it', (name) => {
  expect([validate(parse(lab(name))), validate.errors]).toEqual([true, null])
  expect(lab(name).split('\n')[0]).toBe('# yaml-language-server: $schema=lab.schema.json')
})

it.each([
  ['title:', 'titel:'],
  ['- netns: {', '- nettns: {'],
  ['- netns: { name', '- netns: { nmae'],
  ['- ping: { from', '- ping: { form'],
  ['version: 1', 'version: 2'],
  ['version: 1', 'version: 1\ntext: { ko: only }'],
])('%j → %j is not', (right, wrong) => {
  const text = lab('eight-steps')
  expect(text).toContain(right)
  const changed = text.replace(right, wrong)
  const isValid = validate(wrong.includes('ko:') ? { ...parse(text), text: { ko: 'only' } } : parse(changed))
  expect(isValid).toBe(false)
})

it('every operation that the program takes is valid, lists and maps among its values too', () => {
  const trunk = '- port-vlans: { ifname: b, tagged: [{ first: 10, last: 20 }], keepDefault: "${keep}" }'
  const text = lab('eight-steps')
  const step = '- bridge: { name: "${bridge}" }'
  expect(text).toContain(step)
  expect([validate(parse(text.replace(step, trunk))), validate.errors]).toEqual([true, null])
  expect(validate(parse(text.replace(step, trunk.replace('first: 10', 'first: [10]'))))).toBe(false)
})

it('every parameter of every kind is described', () => {
  const { operations, checks } = reference()
  expect(operations.length + checks.length).toBeGreaterThan(30)
  const unsaid = (of: string, parameters: readonly Parameter[]): string[] =>
    parameters.flatMap(({ name, about, keys }) => [
      ...(about === '' ? [`${of}.${name}`] : []),
      ...unsaid(`${of}.${name}`, keys),
    ])
  const silent = [...operations, ...checks].flatMap(({ kind, title, parameters }) => [
    ...(title === '' ? [kind] : []),
    ...unsaid(kind, parameters),
  ])
  expect(silent).toEqual([])
})

it('the keys of a list of maps are described, too', async () => {
  const { stdout } = await cli(['lab', 'reference', 'port-vlans'])
  expect(stdout).toContain(`with their tags (required); a list,
               each item with
    first  the first VLAN of a range (required)
    last   the last one (required)
`)
})
