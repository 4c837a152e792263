/** A line of a stack, a dump of Node's, or our own word for a fault. */
const DUMP =
  /^ +at .*(:\d+:\d+|<anonymous>)|bug in cnilab|node:internal|^[A-Z]\w*Error( \[|:)|Unhandled|UnhandledPromise/m

/** What goes to people, or to programs: nothing in it tells of a fault, and nothing steers a terminal. Throws an Error. */
export function expectClean(said: string): void {
  if (DUMP.test(said)) throw new Error(`a fault shows:\n${said}`)
  // oxlint-disable-next-line no-control-regex -- these are what it is about
  const control = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.exec(said)
  if (control) throw new Error(`a control character, ${JSON.stringify(control[0])}, in:\n${JSON.stringify(said)}`)
}

/** One JSON document and no more. Returns it. Throws an Error. */
export function expectOneDocument(stdout: string): unknown {
  try {
    const json: unknown = JSON.parse(stdout)
    return json
  } catch {
    throw new Error(`this is not one JSON document:\n${stdout}`)
  }
}
