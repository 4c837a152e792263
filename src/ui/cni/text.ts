import type { PluginCall } from '../../cni/runtime/call.ts'
import type { TracedCall } from '../../cni/runtime/trace.ts'
import { flagsFor, type Host } from '../../kernel/host.ts'
import { programLine } from '../../plan/command-line.ts'
import { parseJson } from '../../state/json.ts'
import { visibleJson } from '../../visible.ts'
import type { Printable, Text } from '../terminal/drawn.ts'
import { duration, style } from '../terminal/style.ts'
import { draw, join } from '../terminal/text.ts'

function titleOf({ command, plugin, place, of }: PluginCall): string {
  return `${command} ${place} of ${of}: ${plugin}`
}

/** A placeholder for the previous plugin's result, which is not known yet. */
function unknownResult({ command, place }: PluginCall, calls: readonly PluginCall[]): Record<string, string> {
  const before = command === 'ADD' ? calls.find((call) => call.place === place - 1) : undefined
  return before ? { prevResult: `what ${before.plugin} prints (${before.place} of ${before.of})` } : {}
}

/** The planned calls in order, each with its standard input and environment. */
export function planned(calls: readonly PluginCall[]) {
  return calls.map((call) => ({ ...call, config: { ...call.config, ...unknownResult(call, calls) } }))
}

/** A call that can be pasted into a shell outside the sandbox, or inside if that is where we are. */
export function drawCall(host: Host, call: PluginCall): Text {
  const isOutside = !host.inside
  const start = isOutside ? `cnilab exec${flagsFor(host)} -- env` : 'env'
  const words = Object.entries(call.variables).map(([name, value]) => programLine({ argv: [`${name}=${value}`] }))
  const lines = [start, ...words, `${programLine({ argv: [call.file] })} <<'EOF'`].join(' \\\n  ')
  const what = typeof call.config['prevResult'] === 'string' ? '; its prevResult is not known yet' : ''
  return join([style.quiet(`# ${titleOf(call)}${what}`), lines, visibleJson(call.config, 2), 'EOF'], '\n')
}

/** One plugin's input, its output, and what it changed. */
export function drawTrace({ call, execution, changed }: TracedCall): Text {
  const { code, signal, ms } = execution
  const how = code === undefined ? `ended by ${signal ?? 'a signal'}` : `exit status ${code}`
  const kernel = [
    ...changed.gone.map((line) => style.bad(`- ${line}`)),
    ...changed.added.map((line) => style.good(`+ ${line}`)),
  ]
  const lines = [
    style.title(titleOf(call)),
    ...part('executable', [call.file]),
    ...part(
      'environment',
      Object.entries(call.variables).map((pair) => pair.join('=')),
    ),
    ...part('stdin', pretty(JSON.stringify(call.config))),
    ...part('stdout', pretty(execution.stdout)),
    ...part('stderr', pretty(execution.stderr)),
    ...part('ended', [`${how}, after ${duration(ms)}`]),
    ...part('changed in the kernel', [...(kernel.length === 0 ? ['(nothing)'] : kernel)]),
    '',
  ]
  return join(lines, '\n')
}

function part(name: string, lines: readonly Printable[]): Text[] {
  return [draw`  ${style.quiet(name)}`, ...lines.map((line) => draw`    ${line}`)]
}

/** The lines of a text, with JSON pretty-printed. */
function pretty(text: string): string[] {
  if (text.trim() === '') return ['(nothing)']
  const json = parseJson(text)
  return (json === undefined ? text.trimEnd() : JSON.stringify(json, undefined, 2)).split('\n')
}
