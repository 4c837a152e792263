import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isLong, some } from '../long.ts'
import { describe, expect, it } from 'vitest'
import { KNOWN_DEFECTS } from '../../src/cni/conformance/known-defects.ts'
import { toJunit, toTap } from '../../src/cni/conformance/reports.ts'
import { type ConformanceReport, runConformance } from '../../src/cni/conformance/run.ts'
import { findSubject } from '../../src/cni/conformance/subject.ts'
import { cli, runtime } from '../helpers.ts'

const TIME = 120_000

function failed({ outcomes }: ConformanceReport): string[] {
  return outcomes.filter(({ passed }) => passed === false).map(({ id }) => id)
}

function isInstalled(type: string): boolean {
  try {
    findSubject(join('/usr/lib/cni', type))
    return true
  } catch {
    return false
  }
}

const types = ['bridge', 'host-local', 'loopback', 'portmap', 'ptp', 'static']

describe.each(some(types, 6))('the reference plugin %s', (type) => {
  // not installed here: there is nothing to compare with
  it.skipIf(!isInstalled(type))(
    'fails what it is known to fail, and nothing else',
    async (context) => {
      const report = await runConformance({ plugin: join('/usr/lib/cni', type) })
      if (!report.plugin.reference) context.skip('it is another version than 1.1.1')
      const own = KNOWN_DEFECTS.filter((defect) => defect.types.includes(type))
      const maybe = own.filter(({ sometimes }) => sometimes).map(({ check }) => check)
      const always = own.filter(({ sometimes }) => !sometimes).map(({ check }) => check)
      const found = failed(report).filter((id) => !maybe.includes(id))
      expect(found.toSorted()).toEqual(always.toSorted())
      const unexplained = report.outcomes.filter(({ passed, known }) => passed === false && known === undefined)
      expect(unexplained).toEqual([])
      expect(report.ms).toBeLessThan(60_000)
    },
    TIME,
  )
})

const text = readFileSync(join(import.meta.dirname, 'tiny-plugin.cjs'), 'utf8')

/** Runs the suite on the tiny plugin with edits in it, each [what, by what]. It lies in /tmp, where no sandbox sees it. */
function runTiny(edits: readonly (readonly [string, string])[]): Promise<ConformanceReport> {
  const folder = mkdtempSync(join(runtime, 'tiny-'))
  const edited = edits.reduce((before, [from, to]) => {
    expect(before, `an edit of ${from}`).toContain(from)
    return before.replace(from, () => to)
  }, text)
  const file = join(folder, 'tiny')
  writeFileSync(file, edited)
  chmodSync(file, 0o755)
  const config = join(folder, 'tiny.conf')
  writeFileSync(config, JSON.stringify({ cniVersion: '0.3.1', name: 'tiny', type: 'tiny', ipam: { type: 'tiny' } }))
  return runConformance({ plugin: file, config })
}

/** Some of those that come at once look, and write only when another one may have looked, too. */
const RACE = `const name = folder + '/10.98.0.' + n
      if (fs.existsSync(name)) throw new Error('taken')
      if (/^c1.$/.test(id)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
      fs.writeFileSync(name, owner)`

/** How a plugin breaks rules, and which checks are to fail. */
interface Broken {
  breaks: string
  edits: readonly (readonly [string, string])[]
  failing: readonly string[]
}

const BROKEN: readonly Broken[] = [
  {
    breaks: 'breaks rules of the protocol',
    edits: [
      ['fail(4, `unknown CNI_COMMAND', 'fail(999, `unknown CNI_COMMAND'], // a wrong code
      ['`missing ${missing}`', "'something is missing'"], // which variable it is remains a secret
      ['ifname.length > 15', 'ifname.length > 99'],
      ["fail(7, 'bad name')", "fail(6, 'bad name')"],
      ['JSON.stringify({ cniVersion, supportedVersions', "JSON.stringify({ cniVersion: '1.0.0', supportedVersions"],
      ["version < '1.0.0' ? { version: '4', address }", "version < '0.4.0' ? { version: '4', address }"],
      [", details: 'see the CNI spec'", ''],
    ],
    failing: [
      'env.missing-add',
      'env.missing-del',
      'env.missing-check',
      'env.missing-gc',
      'env.unknown-command',
      'env.no-command',
      'env.ifname',
      'config.no-name',
      'config.bad-name',
      'version.echo',
      'result.0.4.0',
      'error.details',
    ],
  },
  {
    breaks: 'behaves badly',
    edits: [
      ["fail(100, 'no address is reserved')", 'process.exit(0)'], // CHECK sees nothing
      ['!valid.includes(ownerOf(one))', 'true'], // GC takes everything
      ["if (command === 'DEL') for", "if (command === 'DEL') console.log('done')\nif (command === 'DEL') for"],
      // two at once get the same address
      ['fs.linkSync(`${folder}/10.98.0.${n}.${process.pid}`, `${folder}/10.98.0.${n}`)', RACE],
    ],
    failing: ['check.reservation-gone', 'gc.keeps', 'gc.stale', 'stdout.del', 'concurrency.add-del'],
  },
  {
    breaks: 'leaves things behind',
    edits: [
      ['if (ownerOf(one) === owner) fs.rmSync', 'if (ownerOf(one) === owner && env.CNI_NETNS) fs.rmSync'],
      ['const folder = `', "if (/K8S/.test(env.CNI_ARGS ?? '')) fail(4, 'unknown key')\nconst folder = `"],
      ["if (command === 'GC') {", "if (command === 'STATUS') fail(50, 'not ready')\nif (command === 'GC') {"],
    ],
    failing: ['del.no-netns-clean', 'env.args-ignored', 'env.args-unknown', 'status.ready'],
  },
]

/** One plugin that does all of it. */
function together(all: readonly Broken[]): Broken {
  return {
    breaks: all.map(({ breaks }) => breaks).join(', '),
    edits: all.flatMap(({ edits }) => edits),
    failing: all.flatMap(({ failing }) => failing),
  }
}

describe('a tiny plugin', () => {
  it(
    'that keeps the rules passes',
    async () => {
      const report = await runTiny([])
      expect(failed(report)).toEqual([])
      expect(report.plugin.kind).toBe('ipam')
      expect(report.totals.required.passed + report.totals.recommended.passed).toBeGreaterThan(40)
    },
    TIME,
  )

  it.each(isLong ? BROKEN : [together(BROKEN)])(
    'that $breaks fails the checks of that, and no other',
    async ({ edits, failing }) => {
      expect(failed(await runTiny(edits)).toSorted()).toEqual(failing.toSorted())
    },
    TIME,
  )
})

/** Whether the tags of an XML text are balanced, and nothing else stands in it than XML allows. */
function isWellFormed(xml: string): boolean {
  const open: string[] = []
  const rest = xml
    .replace(/^<\?xml [^?]*\?>/, '')
    .replaceAll(/<(\/?)([a-z]+)((?: [a-z]+="[^"<]*")*)(\/?)>/g, (_, end: string, name: string, __, empty: string) => {
      if (end !== '') return open.pop() === name ? '' : '<'
      if (empty === '') open.push(name)
      return ''
    })
  return open.length === 0 && !/[<>]/.test(rest) && !/&(?!(amp|lt|gt|quot|#10);)/.test(xml)
}

describe('reports', () => {
  const outcome = { group: 'A & B', level: 'required', spec: 'Section "1"', ms: 12 } as const
  const report: ConformanceReport = {
    plugin: { type: 'x', file: '/opt/<x>', kind: 'interface', versions: ['1.0.0'], reference: false },
    config: {},
    outcomes: [
      { ...outcome, id: 'a.good', title: 'it # works', passed: true },
      { ...outcome, id: 'a.skip', title: 'it is "skipped"', passed: null, reason: 'no <reason> & more' },
      {
        ...outcome,
        id: 'a.bad',
        title: 'it fails',
        passed: false,
        expected: 'x < y',
        actual: 'line one\nline "two" \u0007',
        reproduce: [`printf '%s' '{"a":1}' | x`],
      },
      { ...outcome, id: 'a.may', title: 'it may', level: 'recommended', passed: false, expected: 'a', actual: 'b' },
    ],
    totals: { required: { passed: 1, failed: 1 }, recommended: { passed: 0, failed: 1 }, skipped: 1 },
    ok: false,
    ms: 48,
  }

  it('JUnit is well-formed and counts right', () => {
    const xml = toJunit(report)
    expect(isWellFormed(xml), xml).toBe(true)
    expect(isWellFormed(xml.replace('</testsuite>', ''))).toBe(false)
    expect(xml).toContain('tests="4" failures="2" errors="0" skipped="1"')
    expect(xml).toContain('x &lt; y')
  })

  it('TAP has a plan, and a point for each check', () => {
    const lines = toTap(report).split('\n')
    expect(lines.slice(0, 2)).toEqual(['TAP version 14', '1..4'])
    expect(lines.filter((line) => /^(not )?ok /.test(line))).toEqual([
      String.raw`ok 1 - a.good: it \# works`,
      'ok 2 - a.skip: it is "skipped" # SKIP no <reason> & more',
      'not ok 3 - a.bad: it fails',
      'not ok 4 - a.may: it may # TODO recommended',
    ])
  })
})

describe('the command', () => {
  it('refuses what it cannot test', async () => {
    const cases = [
      [['no-such-plugin'], /there is no plugin 'no-such-plugin'/],
      [['/no/such/plugin'], /does not exist/],
      [['/bin/true'], /--config FILE/],
      [['/bin/true', '--config', '/no/such/file'], /no such file/],
      [['/bin/true', '--report', 'html'], /Expected --report=html to be one of/],
    ] as const
    for (const [args, words] of cases) {
      const { code, stderr } = await cli(['cni', 'conformance', ...args])
      expect(stderr).toMatch(words)
      expect(code).toBe(2)
    }
  })

  it(
    'exits with 1 for a program that is no plugin, shows what was seen and how to see it again',
    async () => {
      const config = join(runtime, 'true.conf')
      writeFileSync(config, JSON.stringify({ name: 'net', type: 'true' }))
      const { code, stdout } = await cli(['cni', 'conformance', '/bin/true', '--config', config])
      expect(code).toBe(1)
      expect(stdout).toMatch(/✖ add\.works · Section 2: ADD/)
      expect(stdout).toContain('expected: ADD to succeed and to print a result')
      expect(stdout).toMatch(
        /printf %s '\{"cniVersion":"1\.0\.0".*\| env CNI_COMMAND=ADD .* \/usr\/bin\/true|\/bin\/true/,
      )
      expect(stdout).toMatch(/required \d+\/\d+, recommended \d+\/\d+, skipped \d+/)
    },
    TIME,
  )

  // not installed here: there is no plugin to run
  it.skipIf(!isInstalled('static'))(
    'exits with 0 when only recommended checks fail, and prints one JSON document',
    async () => {
      const { code, stdout, stderr } = await cli(['cni', 'conformance', '/usr/lib/cni/static', '--json'])
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ schema: 'cnilab/cni-conformance/v1', ok: true })
    },
    TIME,
  )
})

it(
  'two plugins are compared by what they print, change, let through and leave',
  async () => {
    const folder = mkdtempSync(join(runtime, 'compared-'))
    const other = join(folder, 'loopback')
    // It leaves lo up, and prints another address.
    const result = { cniVersion: '1.0.0', interfaces: [{ name: 'lo', sandbox: '/run/netns/c1' }], ips: [] }
    const lines = [
      '#!/bin/sh',
      `[ "$CNI_COMMAND" != VERSION ] || { echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}'; exit; }`,
      `[ "$CNI_COMMAND" != ADD ] || { nsenter --net=$CNI_NETNS ip link set lo up; echo '${JSON.stringify(result)}'; }`,
    ]
    writeFileSync(other, lines.join('\n'), { mode: 0o755 })
    const compared = (against: string) => cli(['cni', 'conformance', 'loopback', '--against', against, '--json'])
    const { code, stdout } = await compared(other)
    expect(code).toBe(0)
    const { comparisons } = JSON.parse(stdout)
    expect(comparisons).toHaveLength(1)
    expect(comparisons[0].ms.first.add).toBeGreaterThan(0)
    expect(comparisons[0].differences).toEqual([
      {
        aspect: 'result',
        onlyFirst: expect.arrayContaining([expect.stringContaining('127.0.0.1/8')]),
        onlySecond: [expect.stringContaining('"name":"lo"')],
      },
      { aspect: 'leftovers', onlyFirst: [], onlySecond: expect.arrayContaining([expect.stringContaining('lo up')]) },
    ])
    const same = JSON.parse((await compared(findSubject('loopback'))).stdout)
    expect(same.comparisons[0].differences).toEqual([])
  },
  TIME,
)

describe('a plugin of somebody’s', () => {
  const folder = mkdtempSync(join(runtime, 'odd-'))
  const script = (name: string, line: string) => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${line}\n`, { mode: 0o755 })
    return join(folder, name)
  }
  const config = join(folder, 'a.conf')
  writeFileSync(
    config,
    JSON.stringify({
      cniVersion: '1.0.0',
      name: 'net',
      type: 'hang',
      ipam: { type: 'host-local', subnet: '10.98.0.0/16' },
    }),
  )

  it(
    'that hangs ends the run early, which says so, and is not said to speak any version',
    async () => {
      const hangs = script('hang', 'sleep 1000')
      const report = await runConformance({ plugin: hangs, config })
      expect(report.ok).toBe(false)
      expect(report.plugin.versions).toEqual([])
      const skipped = report.outcomes.filter(({ reason }) => reason?.startsWith('the plugin hangs: ') === true)
      expect(skipped.length).toBeGreaterThan(50)
    },
    TIME,
  )
})
