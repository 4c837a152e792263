import type { Comparison } from '../../cni/conformance/against.ts'
import type { ConformanceReport, Outcome } from '../../cni/conformance/run.ts'
import { indented, typed } from '../terminal/layout.ts'
import type { Log } from '../terminal/output.ts'
import { duration, symbol, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'

/** How many of the commands that lead to a failure to show; `--report json` has all of them. */
const SHOWN = 4

/** Draws outcomes as they come, under the titles of their groups. */
export function drawOutcomes(log: Log, plain: boolean): (outcome: Outcome) => void {
  let current = ''
  return (outcome) => {
    if (outcome.group !== current) log(draw`${current === '' ? '' : '\n'}${style.title(outcome.group)}`)
    current = outcome.group
    drawOutcome(outcome, plain, log)
  }
}

function drawOutcome(outcome: Outcome, plain: boolean, log: Log): void {
  const { id, title, level, spec, passed, reason = '' } = outcome
  const sign = passed === true ? symbol.done : passed === false ? symbol.failed : symbol.skipped
  const word = passed === true ? 'passed:' : passed === false ? 'FAILED:' : 'skipped:'
  const note = level === 'recommended' ? style.quiet(' (recommended)') : ''
  // just the beginning of the section's title: Section 2: DEL
  const section = spec.split(':').slice(0, 2).join(':')
  log(draw`${plain ? word : sign} ${style.command(id)}${note}${style.quiet(` · ${section}`)}`)
  if (passed === true) log(style.quiet(indented(title, 2)))
  else log(indented(title, 2))
  if (passed === null) log(style.quiet(indented(`skipped: ${reason}`, 2)))
  if (passed === false) drawFailure(outcome, log)
}

function drawFailure({ expected = '', actual = '', known, reproduce = [] }: Outcome, log: Log): void {
  log(indented(`expected: ${expected}`, 4))
  log(indented(draw`actual:   ${style.bad(actual.includes('\n') ? `\n${actual}` : actual)}`, 4))
  if (known !== undefined) log(style.warn(indented(known, 4)))
  const left = reproduce.length - SHOWN
  const before = left > 0 ? `, after ${left} more lines, which --report json has` : ''
  log(style.quiet(indented(`to reproduce in cnilab shell${before} (the names in prevResult are from this run):`, 4)))
  for (const line of reproduce.slice(-SHOWN)) log(typed(line, 4))
}

/** Draws the heading: the plugin. */
export function drawPlugin({ type, file }: { type: string; file: string }, log: Log): void {
  log(draw`CNI conformance of ${style.title(type)} ${style.quiet(file)}\n`)
}

/** Draws the summary: the failed checks once more, and how many passed. */
export function drawTotals({ totals, ok, plugin, outcomes, ms }: ConformanceReport, log: Log): void {
  const failed = outcomes.filter(({ passed }) => passed === false)
  if (failed.length > 0) log(draw`\n${style.title('Failed')}`)
  for (const { id, title, level, known } of failed) {
    const note = [level, ...(known === undefined ? [] : ['known'])].join(', ')
    log(indented(draw`${style.command(id)} ${style.quiet(`(${note})`)} ${title}`, 2))
  }
  const { required, recommended, skipped } = totals
  const of = (level: { passed: number; failed: number }) => `${level.passed}/${level.passed + level.failed}`
  log('')
  log(
    style.quiet(
      plugin.versions.length > 0
        ? `${plugin.type} supports CNI ${plugin.versions.join(', ')}`
        : `${plugin.type} lists no version of CNI that is known`,
    ),
  )
  const known = outcomes.filter((outcome) => outcome.known !== undefined).length
  if (known > 0) log(style.warn(`${known} of the failures are known defects of this plugin`))
  const text = `required ${of(required)}, recommended ${of(recommended)}, skipped ${skipped}`
  log(draw`${ok ? style.good(text) : style.bad(text)} ${style.quiet(`in ${duration(ms)}`)}`)
}

/** Draws in what two plugins differ, as it is found. */
export function drawComparison({ type, config, differences, ms }: Comparison, log: Log): void {
  const verdict = differences.length === 0 ? style.good('the same') : style.warn('differs')
  const { first, second } = ms
  log(
    draw`${style.title(type)} ${verdict} ${style.quiet(`ADD ${first.add} and ${second.add} ms, DEL ${first.del} and ${second.del} ms`)}`,
  )
  log(indented(style.quiet(JSON.stringify(config)), 2))
  for (const { aspect, onlyFirst, onlySecond } of differences) {
    log(indented(aspect, 2))
    for (const line of onlyFirst) log(indented(`- ${line}`, 4))
    for (const line of onlySecond) log(indented(`+ ${line}`, 4))
  }
}
