import chalk, { Chalk } from 'chalk'
import { drawn, type Printable, type Text, trusted } from './drawn.ts'
import { draw } from './text.ts'

/** Colours, or none if NO_COLOR (no-color.org) or the terminal asks for that. */
const color = (process.env['NO_COLOR'] ?? '') === '' ? chalk : new Chalk({ level: 0 })

/** Whether colours are on. */
export const hasColor = color.level > 0

const styled =
  (by: (text: string) => string) =>
  (text: Printable): Text =>
    trusted(by(drawn(text)))

/** The common styles of texts. */
export const style = {
  title: styled(color.bold),
  command: styled(color.cyan),
  quiet: styled(color.dim),
  good: styled(color.green),
  bad: styled(color.red),
  warn: styled(color.yellow),
}

/** Symbols in front of a line. */
export const symbol = {
  done: style.good('✔'),
  failed: style.bad('✖'),
  skipped: style.quiet('○'),
  already: style.quiet('='),
}

/** A symbol and a text; for screen readers only the text. */
export function withSymbol(sign: Text, text: Printable, plain: boolean): Text {
  return plain ? draw`${text}` : draw`${sign} ${text}`
}

/** `3 min`, `1.2 s` or `34 ms`. */
export function duration(ms: number): string {
  if (ms >= 2 * 3600_000) return `${Math.round(ms / 3600_000)} hours`
  if (ms >= 120_000) return `${Math.round(ms / 60_000)} min`
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms)} ms`
}
