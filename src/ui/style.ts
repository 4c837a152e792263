import chalk, { Chalk } from 'chalk'

/** Colours, or none where NO_COLOR (no-color.org) or the terminal says so. */
const color = (process.env['NO_COLOR'] ?? '') === '' ? chalk : new Chalk({ level: 0 })

/** Whether colours are shown. */
export const hasColor = color.level > 0

/** How things look everywhere. */
export const style = {
  title: (text: string) => color.bold(text),
  command: (text: string) => color.cyan(text),
  quiet: (text: string) => color.dim(text),
  good: (text: string) => color.green(text),
  bad: (text: string) => color.red(text),
  warn: (text: string) => color.yellow(text),
}

/** Marks in front of a line. */
export const mark = {
  done: style.good('✔'),
  failed: style.bad('✖'),
  skipped: style.quiet('-'),
  already: style.quiet('='),
}

/** A mark and a text; for screen readers the text alone. */
export function marked(sign: string, text: string, plain: boolean): string {
  return plain ? text : `${sign} ${text}`
}

/** `3 min`, `1.2 s` or `34 ms`. */
export function duration(ms: number): string {
  if (ms >= 2 * 3600_000) return `${Math.round(ms / 3600_000)} hours`
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`
}
