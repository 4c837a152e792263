import type { LabCheckResult } from '../../lab/run/check.ts'
import type { RunningLab } from '../../lab/run/lab-in-progress.ts'
import { nextLab } from '../../lab/run/load.ts'
import { quote } from '../../plan/command-line.ts'
import { scriptLines, scriptOf } from './lab-plan.ts'
import { labelled } from '../terminal/layout.ts'
import { markdown } from '../terminal/markdown.ts'
import { duration, style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/**
 * Shows the end of a lab: a script of all commands, what was learned, the checks, what help was taken, how long it took,
 * what to read, and the lab to do next. What is long comes first: the end stays in sight.
 */
export async function showSummary(
  { lab, progress }: RunningLab,
  { findings, steps }: Pick<LabCheckResult, 'findings' | 'steps'>,
  { plain, log }: View,
): Promise<void> {
  const passed = findings.filter((finding) => finding.passed === true).length
  log(draw`\n${style.title(`The end of: ${lab.title}`)}`)
  log(draw`\n${style.title('All of it as a script')}\n${style.command(scriptLines(scriptOf(lab)))}\n`)
  if (lab.learned !== undefined) log(draw`${style.title('What you learned')}\n${markdown(lab.learned, plain)}\n`)
  const own = lab.steps.flatMap(({ id }) => progress.steps[id] ?? [])
  const answers = own.flatMap((step) => Object.values(step.answers))
  const hints = lab.steps.flatMap(({ id }) => {
    const used = progress.steps[id]?.hints ?? 0
    return used === 0 ? [] : `${used} in ${id}`
  })
  const idsOf = (what: 'solved' | 'gaveUp') =>
    lab.steps.filter(({ id }) => progress.steps[id]?.[what] === true).map(({ id }) => id)
  const [solved, gaveUp] = [idsOf('solved'), idsOf('gaveUp')]
  const rows = [
    ['Steps', `${steps.filter(({ status }) => status === 'done').length} of ${steps.length} done`],
    ['Checks', `${passed} of ${findings.length} passed`],
    ...(answers.length === 0 ? [] : [['Questions', `${answers.filter(Boolean).length} of ${answers.length} right`]]),
    ['Hints', hints.length === 0 ? 'none' : hints.join(', ')],
    ['Run for you', solved.length === 0 ? 'none' : solved.join(', ')],
    ...(gaveUp.length === 0 ? [] : [['Given up', gaveUp.join(', ')]]),
    ['Time', `${duration(Date.now() - Date.parse(progress.started))} since you started`],
  ]
  for (const [label = '', text = ''] of rows) log(labelled(label.padEnd(13), text))
  if (lab.links.length > 0) {
    const titles = lab.links.map((link) => link.title).join(', ')
    log(labelled('Read on'.padEnd(13), titles))
    log(labelled(''.padEnd(13), draw`${style.command(`cnilab lab show ${quote(progress.lab)}`)} says where they are`))
  }
  const next = await nextLab(lab)
  if (next) log(draw`\nThe next lab: ${style.command(`cnilab lab start ${next.id}`)} (${next.title})`)
}
