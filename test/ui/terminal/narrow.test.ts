import stringWidth from 'string-width'
import { expect, it } from 'vitest'
import { NARROW } from '../../../src/narrow.ts'

it('counts as narrow only what takes one column', () => {
  const characters = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter((one) =>
    NARROW.test(one),
  )
  expect(characters.length).toBeGreaterThan(1000)
  expect(characters.filter((one) => stringWidth(one) !== 1)).toEqual([])
})

it('counts none of them with its neighbour', () => {
  const characters = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter((one) =>
    NARROW.test(one),
  )
  expect(stringWidth(characters.join(''))).toBe(characters.length)
})
