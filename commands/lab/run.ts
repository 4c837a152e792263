import { Flags } from '@oclif/core'
import { installMissing, missingTools } from '../../src/engine/install.ts'
import { beginSandbox } from '../../src/sandbox/create.ts'
import { ownSandbox } from '../../src/sandbox/find.ts'
import { BaseCommand, changeFlags } from '../../src/ui/terminal/base-command.ts'
import { askToInstall } from '../../src/ui/terminal/install.ts'
import type { TourDocument } from '../../src/ui/lab/guided-run.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import type { Printable } from '../../src/ui/terminal/drawn.ts'
import type { LabPlan } from '../../src/ui/lab/lab-plan.ts'
import type { LabRunDocument } from '../../src/ui/lab/lab-run.ts'
import { word } from '../../src/ui/terminal/word.ts'

export default class LabRun extends BaseCommand {
  static override summary = 'Go through a lab step by step; with --auto, run all of it and tear it down'
  static override description =
    'On a terminal, it is a guided tour: each step waits until you run it, type it or skip it. With --auto, or without a terminal, it runs by itself in its own sandbox, which the kernel removes whatever happens.'
  static override examples = [
    '<%= config.bin %> lab run',
    '<%= config.bin %> lab run eight-steps --auto --set container=blue',
    '<%= config.bin %> lab run scale --set containers=500',
    '<%= config.bin %> lab run eight-steps --script > network.sh',
  ]
  static override baseFlags = changeFlags
  static override args = {
    lab: word({ description: 'name of a lab, or a path to a file', default: 'eight-steps' }),
  }
  static override flags = {
    auto: Flags.boolean({ description: 'run all steps without asking, as without a terminal' }),
    keep: Flags.boolean({ description: 'leave the network standing, in the sandbox that --sandbox names' }),
    plain: plainFlag,
    set: Flags.string({ description: 'set a parameter: key=value', multiple: true, multipleNonGreedy: true }),
    yes: Flags.boolean({ description: 'install what the system lacks (nftables, ping) without asking' }),
    'dry-run': Flags.boolean({ description: 'print the commands and run nothing', helpGroup: 'GLOBAL' }),
    script: Flags.boolean({ description: 'print a shell script that builds the same network', exclusive: ['dry-run'] }),
    explain: Flags.boolean({ description: 'say what each step does and why, and run nothing', helpGroup: 'GLOBAL' }),
  }

  async run(): Promise<LabRunDocument | LabPlan | TourDocument> {
    const { args, flags } = await this.parse(LabRun)
    const loadLab = async () => (await import('../../src/lab/run/load.ts')).loadLab(args.lab, flags.set)
    if (flags['dry-run'] || flags.script || flags.explain) {
      const { printPlan } = await import('../../src/ui/lab/lab-plan.ts')
      return printPlan(await loadLab(), flags, (text) => this.log(text))
    }
    if (missingTools().length > 0) await loadLab() // install nothing for a lab that does not exist
    await installMissing(flags.yes ? () => Promise.resolve(true) : askToInstall, (line) => this.notice(line))
    const isTerminal = process.stdin.isTTY && process.stdout.isTTY
    if (!flags.auto && !this.jsonEnabled() && isTerminal) {
      const { guideThrough } = await import('../../src/ui/lab/guided-run.ts')
      return guideThrough(args.lab, { ...flags, log: (text) => this.log(text) })
    }
    const isPrivate = !flags.host && !flags.keep && !ownSandbox()
    const lab = await loadLab()
    const nascent = isPrivate ? beginSandbox(`run-${process.pid}`) : undefined
    const sandbox = nascent?.live
    sandbox?.catch(() => undefined) // reported where it is awaited
    try {
      await nascent?.prepared // the kernel makes it while the rest of the program is loaded
      if (!flags.auto && !this.jsonEnabled())
        this.notice('no terminal to ask on: all steps run by themselves, as with --auto')
      const { runLabHere } = await import('../../src/ui/lab/lab-run.ts')
      const options = { ...flags, lab: args.lab, json: this.jsonEnabled(), log: (text: Printable) => this.log(text) }
      return await runLabHere(lab, options, sandbox)
    } finally {
      await sandbox?.then(
        (live) => live.end(),
        () => undefined,
      )
    }
  }
}
