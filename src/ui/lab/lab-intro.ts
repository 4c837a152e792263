import { currentStep, type StepState } from '../../lab/run/check.ts'
import type { Lab } from '../../lab/format/lab.ts'
import type { State } from '../../state/state.ts'
import { showPicture, showPurpose } from './show-lab.ts'
import { markdown } from '../terminal/markdown.ts'
import { style } from '../terminal/style.ts'
import { draw } from '../terminal/text.ts'
import type { View } from '../terminal/view.ts'

/** Shows what a lab is about. */
export function showIntro({ title, text }: Lab, { plain, log }: Omit<View, 'flags'>): void {
  log(style.title(title))
  log(markdown(text, plain))
}

/** Shows the documents that a lab is based on. */
export function showLinks({ links }: Lab, log: View['log']): void {
  if (links.length > 0) log(draw`\n${style.title('Read on')}`)
  for (const link of links) log(draw`  ${link.title}\n    ${style.quiet(link.url)}`)
}

/** Shows a lab that somebody starts to work on alone: what it is about, the first step, and how to continue. */
export function showStart(lab: Lab, steps: readonly StepState[], now: State, view: View): void {
  const { log, flags } = view
  showIntro(lab, view)
  log('')
  showPicture(undefined, now, [], view)
  log('')
  const next = currentStep({ steps })
  if (next) showPurpose(lab, next, view)
  log(`
The task:     cnilab lab status${flags}
Work in:      cnilab shell${flags}
Check it:     cnilab lab check${flags}     (or watch it: cnilab lab watch${flags})
Stuck:        cnilab lab hint${flags}${lab.exam ? '' : `, cnilab lab solve${flags}`}
Start over:   cnilab lab reset${flags}
Leave it:     cnilab lab stop${flags}`)
}
