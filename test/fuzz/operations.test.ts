import * as z from 'zod'
import { assertionKinds, parseClaim } from '../../src/assertions/registry.ts'
import { kinds, parseOperation } from '../../src/operations/registry.ts'
import { fuzz } from './fuzz.ts'
import { alone } from './operations.ts'
import { expectSound, expectSoundCheck } from './sound.ts'

fuzz('an operation that is accepted is sound', 5, alone(kinds), ([kind, params]) => {
  try {
    expectSound(parseOperation(kind, params))
    return 'accepted'
  } catch (error) {
    if (error instanceof z.ZodError) return 'refused'
    throw error
  }
})

fuzz('a check that is accepted is sound', 3, alone(assertionKinds), ([kind, params]) => {
  try {
    expectSoundCheck({ claim: parseClaim(kind, params), not: false, wait: 0 })
    return 'accepted'
  } catch (error) {
    if (error instanceof z.ZodError) return 'refused'
    throw error
  }
})
