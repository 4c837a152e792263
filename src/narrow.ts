/**
 * Matches text whose every character is one column wide: printable ASCII, Latin and Greek letters, dashes, arrows, lines,
 * blocks and marks. The build has string-width count it without the expressions that it needs for other text, which take
 * 60 ms to compile.
 */
export const NARROW =
  /^[\u0020-\u007e\u00a0-\u00ac\u00ae-\u02ff\u0370-\u03ff\u2010-\u2027\u2190-\u21ff\u2500-\u25fc\u2713-\u2718]*$/
