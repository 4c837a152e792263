import { visible, visibleJson } from '../../visible.ts'
import type { ConformanceReport, Outcome } from './run.ts'

/** Report formats for programs: JSON, JUnit's XML, and the Test Anything Protocol 14. */
export const FORMATS = ['json', 'junit', 'tap'] as const

/** The report as JUnit XML, which Jenkins, GitLab and GitHub read. */
export function toJunit({ plugin, outcomes, totals, ms }: ConformanceReport): string {
  const groups = [...new Set(outcomes.map(({ group }) => group))]
  const failures = totals.required.failed + totals.recommended.failed
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name=${attribute(`CNI conformance of ${plugin.file}`)} tests="${outcomes.length}" failures="${failures}" skipped="${totals.skipped}" time="${ms / 1000}">`,
    ...groups.flatMap((group) =>
      junitSuite(
        plugin.type,
        group,
        outcomes.filter((one) => one.group === group),
      ),
    ),
    '</testsuites>',
    '',
  ].join('\n')
}

function junitSuite(type: string, group: string, outcomes: readonly Outcome[]): string[] {
  const count = (passed: boolean | null) => outcomes.filter((outcome) => outcome.passed === passed).length
  const time = outcomes.reduce((sum, { ms }) => sum + ms, 0) / 1000
  return [
    `  <testsuite name=${attribute(group)} tests="${outcomes.length}" failures="${count(false)}" errors="0" skipped="${count(null)}" time="${time}">`,
    ...outcomes.map((outcome) => junitCase(type, outcome)),
    '  </testsuite>',
  ]
}

function junitCase(type: string, outcome: Outcome): string {
  const { id, title, level, spec, passed, reason = '', ms } = outcome
  const start = `    <testcase classname=${attribute(`${type}.${level}`)} name=${attribute(`${id}: ${title}`)} time="${ms / 1000}"`
  if (passed === true) return `${start}/>`
  if (passed === null) return `${start}><skipped message=${attribute(reason)}/></testcase>`
  const { expected = '', actual = '', reproduce = [], known } = outcome
  const text = [spec, ...(known === undefined ? [] : [known]), `actual: ${actual}`, 'to reproduce:', ...reproduce].join(
    '\n',
  )
  return `${start}><failure type="${level}" message=${attribute(`expected ${expected}`)}>${escaped(text)}</failure></testcase>`
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\n': '&#10;',
}

/** Escapes text between tags, and makes control characters visible, most of which XML 1.0 cannot contain. */
function escaped(text: string): string {
  return visible(text)
    .replaceAll(/[&<>]/g, (one) => entities[one] ?? one)
    .replaceAll(/[\uFFFE\uFFFF]/g, '\uFFFD')
}

function attribute(text: string): string {
  return `"${escaped(text).replaceAll(/["\n]/g, (one) => entities[one] ?? one)}"`
}

/**
 * The report as TAP version 14 (testanything.org). A recommended check that failed is a `# TODO`, which does not fail a test
 * run.
 */
export function toTap({ plugin, outcomes }: ConformanceReport): string {
  return [
    'TAP version 14',
    `1..${outcomes.length}`,
    ...`# CNI conformance of ${plugin.file}`.split('\n'),
    ...outcomes.flatMap((outcome, i) => tapPoint(outcome, i + 1)),
    '',
  ].join('\n')
}

function tapPoint(outcome: Outcome, n: number): string[] {
  const { id, title, level, spec, passed, reason = '', expected, actual, known, reproduce } = outcome
  const described = tapText(`${id}: ${title}`)
  if (passed === null) return [`ok ${n} - ${described} # SKIP ${tapText(reason)}`]
  const todo = level === 'recommended' && !passed ? ' # TODO recommended' : ''
  const point = `${passed ? 'ok' : 'not ok'} ${n} - ${described}${todo}`
  if (passed) return [point]
  // JSON is YAML
  const lines = Object.entries({ spec, level, expected, actual, known, reproduce }).filter(
    ([, value]) => value !== undefined,
  )
  return [point, '  ---', ...lines.map(([key, value]) => `  ${key}: ${visibleJson(value)}`), '  ...']
}

/** A description on one line, with hashes escaped, which otherwise would start a directive. */
function tapText(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll('\\', '\\\\')
    .replaceAll('#', String.raw`\#`)
}
