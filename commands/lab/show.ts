import { Flags } from '@oclif/core'
import { loadLab } from '../../src/lab/run/load.ts'
import { hidesSolution, type Lab } from '../../src/lab/format/lab.ts'
import { bindOperation } from '../../src/operations/registry.ts'
import { toLine } from '../../src/plan/command-line.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import type { Printable } from '../../src/ui/terminal/drawn.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import { giveUpFlag } from '../../src/ui/lab/exam.ts'
import { showIntro, showLinks } from '../../src/ui/lab/lab-intro.ts'
import { labelled, typed } from '../../src/ui/terminal/layout.ts'
import { markdown } from '../../src/ui/terminal/markdown.ts'
import { showPurpose } from '../../src/ui/lab/show-lab.ts'
import { style } from '../../src/ui/terminal/style.ts'
import { draw } from '../../src/ui/terminal/text.ts'
import { word } from '../../src/ui/terminal/word.ts'

interface LabDocument extends Document {
  lab: Lab
}

export default class LabShow extends BaseCommand {
  static override summary = 'Print a lab: its topic, parameters, steps and their commands'
  static override examples = ['<%= config.bin %> lab show eight-steps', '<%= config.bin %> lab show ./my-lab.yaml']
  static override args = { lab: word({ required: true, description: 'name of a lab, or a path to a file' }) }
  static override flags = {
    plain: plainFlag,
    'give-up': giveUpFlag,
    set: Flags.string({ description: 'set a parameter: key=value', multiple: true, multipleNonGreedy: true }),
  }

  async run(): Promise<LabDocument> {
    const { args, flags } = await this.parse(LabShow)
    const lab = await loadLab(args.lab, flags.set)
    const view = { plain: flags.plain, log: (text: Printable) => this.log(text) }
    const mayShow = lab.exam && flags['give-up']
    showIntro(lab, view)
    const parameters = lab.parameters.map(({ name, value, text }) => ({ set: `  --set ${name}=${value}`, text }))
    const width = Math.max(...parameters.map(({ set }) => set.length)) + 2
    if (parameters.length > 0) this.log(draw`\n${style.title('What can be set')}`)
    for (const { set, text } of parameters) this.log(labelled(set.padEnd(width), style.quiet(text)))
    for (const step of lab.steps) {
      this.log('')
      showPurpose(lab, step, view)
      if (hidesSolution(lab, step) && !mayShow) continue // the learner is to find out how to do it
      const commands = step.operations.flatMap((operation) => bindOperation(operation).apply)
      for (const command of commands.slice(0, 6)) this.log(typed(toLine(command, '1')))
      if (commands.length > 6) this.log(style.quiet(`  … and ${commands.length - 6} more like these`))
    }
    if (lab.learned !== undefined)
      this.log(draw`\n${style.title('What you learn')}\n${markdown(lab.learned, flags.plain)}`)
    showLinks(lab, view.log)
    return { schema: 'cnilab/lab/v1', lab: lab.exam && !mayShow ? withoutSolutions(lab) : lab }
  }
}

/** An exam as its candidates may see it. */
function withoutSolutions(lab: Lab): Lab {
  return { ...lab, steps: lab.steps.map((step) => ({ ...step, operations: [], run: [], hints: [], when: [] })) }
}
