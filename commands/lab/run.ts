import { Args, Flags } from '@oclif/core'
import { loadLab } from '../../src/engine/lab-files.ts'
import { openSession, type Session, type Teardown } from '../../src/engine/lab-session.ts'
import type { LabReport, StepReport } from '../../src/engine/run-lab.ts'
import { installMissing } from '../../src/engine/install.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { derive } from '../../src/operations/registry.ts'
import { toLine } from '../../src/plan/command-line.ts'
import type { Finding } from '../../src/plan/finding.ts'
import { toScript } from '../../src/plan/script.ts'
import { BaseCommand, type Document, hostFlags } from '../../src/ui/base-command.ts'
import { type ErrorDocument, formatError, show, toJson } from '../../src/ui/error.ts'
import { askToInstall } from '../../src/ui/install.ts'
import { duration, mark, style } from '../../src/ui/style.ts'

type Drawing = typeof import('../../src/ui/lab-progress.ts')

interface RunDocument extends Document {
  lab: string
  sandbox: string
  ok: boolean
  steps: StepReport[]
  checks: Finding[]
  teardown: Teardown
  error?: ErrorDocument['error']
  ms: number
}

export default class LabRun extends BaseCommand {
  static override summary = 'Run a lab: every step with its commands, checks from the kernel, teardown'
  static override description = 'It runs in a sandbox of its own, which the kernel removes whatever happens.'
  static override examples = [
    '<%= config.bin %> lab run',
    '<%= config.bin %> lab run eight-steps --auto --set container=blue',
    '<%= config.bin %> lab run scale --set containers=500',
    '<%= config.bin %> lab run eight-steps --script > network.sh',
  ]
  static override baseFlags = hostFlags
  static override args = {
    lab: Args.string({ description: 'name of a lab, or a path to a file', default: 'eight-steps' }),
  }
  static override flags = {
    auto: Flags.boolean({ description: 'do not pause between the steps' }),
    keep: Flags.boolean({ description: 'leave the network standing, in the sandbox that --sandbox names' }),
    set: Flags.string({ description: 'set a parameter: key=value', multiple: true }),
    yes: Flags.boolean({ description: 'install what the system lacks (nftables, ping) without asking' }),
    'dry-run': Flags.boolean({ description: 'print the commands and run nothing', helpGroup: 'GLOBAL' }),
    script: Flags.boolean({ description: 'print a shell script that builds the same network', exclusive: ['dry-run'] }),
    explain: Flags.boolean({ description: 'say what each step does and why, and run nothing', helpGroup: 'GLOBAL' }),
  }

  async run(): Promise<RunDocument | LabPlan> {
    const { args, flags } = await this.parse(LabRun)
    const lab = loadLab(args.lab, flags.set)
    if (flags['dry-run'] || flags.script || flags.explain) return this.print(lab, flags)
    await installMissing(flags.yes ? () => Promise.resolve(true) : askToInstall, (line) => this.notice(line))

    const interrupt = new AbortController()
    const stop = () => interrupt.abort()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop)
    try {
      const drawing = this.jsonEnabled() ? undefined : import('../../src/ui/lab-progress.ts') // loads while the sandbox is made
      return await this.runIn(await openSession(flags), lab, flags, interrupt.signal, await drawing)
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, stop)
    }
  }

  private async runIn(
    session: Session,
    lab: Lab,
    flags: { auto: boolean },
    signal: AbortSignal,
    drawing?: Drawing,
  ): Promise<RunDocument> {
    const started = performance.now()
    const { host } = session.kernel
    const where = host.kind === 'machine' ? 'on this machine' : `in the sandbox '${host.name}'`
    this.log(`${style.title(lab.title)} ${style.quiet(where)}`)
    const pause = !flags.auto && !this.jsonEnabled() && process.stdin.isTTY && process.stdout.isTTY
    const events = drawing?.drawLab(lab.steps.length, pause) ?? {}
    let report: LabReport | undefined
    let teardown: Teardown
    try {
      report = await session.run(lab, events, signal)
    } finally {
      teardown = await session.tearDown(report ?? { steps: [], checks: [] })
    }
    const ms = Math.round(performance.now() - started)
    const ok =
      report.error === undefined &&
      report.steps.every(({ status }) => status === 'done' || status === 'already') &&
      teardown.ok
    this.showEnd(report, teardown, ok, ms, host.name)
    process.exitCode = report.error?.exitCode ?? (ok ? 0 : 1)
    const shown = report.error && show(report.error)
    if (shown && !this.jsonEnabled()) process.stderr.write(formatError(shown))
    return {
      schema: 'cnilab/lab-run/v1',
      lab: lab.id,
      sandbox: host.name,
      ok,
      steps: report.steps,
      checks: report.checks,
      teardown,
      ...(shown === undefined ? {} : { error: toJson(shown) }),
      ms,
    }
  }

  private showEnd(
    { steps, checks, error }: LabReport,
    teardown: Teardown,
    ok: boolean,
    ms: number,
    name: string,
  ): void {
    const findings = [...steps.flatMap((step) => step.findings), ...checks]
    const passed = findings.filter((finding) => finding.passed === true).length
    if (error?.kind !== 'interrupted')
      this.log(`${ok ? mark.done : mark.failed} ${passed} of ${findings.length} checks passed in ${duration(ms)}`)
    if (teardown.kept)
      this.log(`${mark.done} Kept: cnilab shell --sandbox ${name} looks around, cnilab clean removes it`)
    else if (teardown.left.length === 0) this.log(`${mark.done} Torn down: nothing is left`)
    for (const what of teardown.left) this.log(`${mark.failed} still there: ${what}`)
  }

  private print(lab: Lab, flags: { script: boolean; explain: boolean }): LabPlan {
    const steps = lab.steps.map((step) => {
      const derived = step.operations.map(derive)
      return {
        id: step.id,
        title: step.title,
        text: step.text,
        derived,
        commands: derived.flatMap((operation) => operation.apply),
      }
    })
    if (flags.script) this.log(toScript(lab.title, steps).trimEnd())
    else
      for (const { title, text, derived, commands } of steps) {
        if (flags.explain) {
          this.log(`${style.title(title)}\n  ${text}`)
          for (const { explain } of derived.slice(0, 6)) this.log(`  ${explain.what}. ${style.quiet(explain.why)}`)
        } else for (const command of commands) this.log(toLine(command, '1'))
      }
    return {
      schema: 'cnilab/lab-plan/v1',
      lab: lab.id,
      steps: steps.map(({ id, title, text, commands }) => ({
        id,
        title,
        text,
        commands: commands.map((command) => toLine(command, '1')),
      })),
    }
  }
}

interface LabPlan extends Document {
  lab: string
  steps: { id: string; title: string; text: string; commands: string[] }[]
}
