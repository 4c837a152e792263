import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ATTACKS } from './attacks.ts'
import { outcomes, users, Victim } from './victim.ts'

describe.each(users)('in a sandbox of user %i', (uid) => {
  const victim = new Victim(uid)
  let outside: (number | undefined)[] = []
  const ways: Record<string, (number | undefined)[]> = {}

  beforeAll(async () => {
    await victim.settle()
    // Only what changes nothing: the others would harm the machine.
    outside = outcomes(victim.run(['sh', '-c', victim.programOf(ATTACKS.filter((attack) => attack.outside))]))
    victim.cli(['exec', '--', 'sh', '-c', 'cat >/tmp/attacks'], victim.programOf(ATTACKS))
    victim.cli(['netns', 'create', 'red'])
    ways['exec'] = outcomes(victim.cli(['exec', '--', 'sh', '/tmp/attacks']))
    ways['exec on a terminal'] = outcomes(victim.onTerminal('exec -- sh /tmp/attacks'))
    ways['shell'] = outcomes(victim.onTerminal('shell', 'sh /tmp/attacks; exit\r'))
    ways['container'] = outcomes(victim.cli(['exec', '--netns', 'red', '--', 'sh', '/tmp/attacks']))
    ways["a lab's commands"] = outcomes(victim.cli(['lab', 'run', victim.labOf(ATTACKS), '--auto']))
  }, 300_000)
  afterAll(() => victim.leave())

  it.each(ATTACKS.flatMap((attack, i) => (attack.outside ? [[attack.what, i] as const] : [])))(
    'outside of it, one can %s',
    (_, i) => expect(outside[i]).toBe(0),
  )

  it.each(ATTACKS.map((attack, i) => [attack.what, i] as const))('no program can %s', (_, i) => {
    const known = ATTACKS[i]?.inContainers === true ? ['container'] : []
    const succeeded = Object.entries(ways).filter(([way, all]) => !known.includes(way) && !((all[i] ?? 0) > 0))
    expect(succeeded.map(([way]) => way)).toEqual([])
  })
})
