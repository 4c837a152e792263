import { basename } from 'node:path'
import { Flags } from '@oclif/core'
import { FORMATS, toJunit, toTap } from '../../src/cni/conformance/reports.ts'
import { type ConformanceReport, runConformance } from '../../src/cni/conformance/run.ts'
import { findSubject } from '../../src/cni/conformance/subject.ts'
import { refuseInside } from '../../src/engine/open-host.ts'
import { BaseCommand, type Document } from '../../src/ui/terminal/base-command.ts'
import type { Comparison } from '../../src/cni/conformance/against.ts'
import { drawComparison, drawOutcomes, drawPlugin, drawTotals } from '../../src/ui/cni/conformance.ts'
import { plainFlag } from '../../src/ui/terminal/flags.ts'
import type { Log } from '../../src/ui/terminal/output.ts'
import { word } from '../../src/ui/terminal/word.ts'
import { whileShowing } from '../../src/ui/terminal/waiting.ts'

export default class CniConformance extends BaseCommand {
  static override summary = 'Check any CNI plugin against the CNI spec'
  static override description =
    'Calls the executable as a runtime would, correctly and incorrectly, in its own sandbox, and compares its output and the kernel with CNI spec 1.1.0. Exits with 1 if it breaks a rule that the spec requires; broken recommendations are only listed.'
  static override examples = [
    '<%= config.bin %> cni conformance bridge',
    '<%= config.bin %> cni conformance ./my-plugin --config my.conflist',
    '<%= config.bin %> cni conformance /opt/cni/bin/ptp --report junit > ptp.xml',
    '<%= config.bin %> cni conformance /opt/cni/bin/bridge --against /usr/lib/cni/bridge',
  ]
  static override args = {
    plugin: word({ description: 'path to a plugin, or the type of an installed one', required: true }),
  }
  static override flags = {
    config: Flags.string({
      description: 'network configuration (.conf or .conflist) to use instead of the built-in one',
    }),
    against: Flags.string({
      helpValue: 'PLUGIN|DIR',
      description: 'do the same with another plugin, or with two folders of them, and print in what they differ',
      exclusive: ['report'],
    }),
    report: Flags.option({ options: FORMATS, description: 'print a machine-readable report' })(),
    plain: plainFlag,
  }

  async run(): Promise<Document & (ConformanceReport | { comparisons: Comparison[] })> {
    const { args, flags } = await this.parse(CniConformance)
    refuseInside()
    if (flags.against !== undefined) {
      const { compare } = await import('../../src/cni/conformance/against.ts')
      const draw = (one: Comparison) => (this.jsonEnabled() ? undefined : drawComparison(one, (text) => this.log(text)))
      const comparisons = await compare(args.plugin, flags.against, flags.config, draw)
      return { schema: 'cnilab/cni-comparison/v1', comparisons }
    }
    const isQuiet = flags.report !== undefined || this.jsonEnabled()
    const log: Log = (text) => this.log(text)
    if (!isQuiet) drawPlugin({ type: basename(args.plugin), file: findSubject(args.plugin) }, log)
    const drawOutcome = drawOutcomes(log, flags.plain)
    const report = await whileShowing('calling the plugin', flags.plain, (aside) =>
      runConformance({
        plugin: args.plugin,
        config: flags.config,
        ...(isQuiet ? {} : { onOutcome: (outcome) => aside(() => drawOutcome(outcome)) }),
      }),
    )
    const document = { schema: 'cnilab/cni-conformance/v1', ...report }
    if (!report.ok) process.exitCode = 1
    if (this.jsonEnabled()) return document
    if (flags.report === 'json') this.logJson(document)
    else if (flags.report === undefined) drawTotals(report, log)
    else this.log((flags.report === 'junit' ? toJunit(report) : toTap(report)).trimEnd())
    return document
  }
}
