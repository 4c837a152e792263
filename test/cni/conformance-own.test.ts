import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runConformance } from '../../src/cni/conformance/run.ts'
import { isLong } from '../long.ts'
import { OURS_OUTSIDE } from './plugin.ts'

/** What all types have from the same code, which reads the call and prints in the version asked for. */
const SHARED = /^(version|config|error)\.|^env\.(missing|container|ifname|unknown|no-command)|^result\.0\.[23]/

/** As portmap, the chained ones have from the same code what is tried there; macvlan has it from bridge. */
const MORE = isLong ? ['macvlan', 'tuning', 'firewall'] : []

it.each(['bridge', 'host-local', 'ptp', 'portmap', 'loopback', 'static', ...MORE])(
  'our own plugin %s passes all checks',
  async (type) => {
    const isWhole = isLong || type === 'bridge'
    const report = await runConformance({
      plugin: join(OURS_OUTSIDE, type),
      isWanted: (check) => isWhole || !SHARED.test(check),
    })
    expect(report.outcomes.filter(({ passed }) => passed === false)).toEqual([])
    expect(report.totals.required.passed).toBeGreaterThan(isWhole ? 45 : 20)
  },
  120_000,
)
