import * as z from 'zod'
import { HOST, INTERNET } from '../state/state.ts'

// A command parses each thing once or twice: to compile a parser for it first costs more than that saves.
z.config({ jitless: true })

/**
 * An interface name as the kernel accepts it (net/core/dev.c, dev_valid_name): 1 to 15 bytes, not
 * `.` or `..`, no `/`, `:` or whitespace. Quotes, `#` and `\` are refused because `ip -batch` reads them as its own
 * (`a#b` would be `a` and a comment), `%` because the kernel turns `a%d` into `a0`;
 * `all` and `default` because sysctl means something else by them.
 */
export const interfaceName = z.string().check((ctx) => {
  const name = ctx.value
  const rule =
    name === ''
      ? 'must not be empty'
      : Buffer.byteLength(name) > 15
        ? `is ${Buffer.byteLength(name)} bytes long; the kernel allows 15`
        : name === '.' || name === '..'
          ? 'must not be . or ..'
          : /[\s/:%#"'\\]/.test(name)
            ? 'must not contain a space, quote or any of / : % # \\'
            : name.startsWith('-')
              ? 'must not begin with - (it would read as an option)'
              : /[^\x21-\x7e]/.test(name)
                ? 'must be printable ASCII'
                : name === 'all' || name === 'default'
                  ? 'is taken: sysctl means every interface by it'
                  : undefined
  if (rule)
    ctx.issues.push({ code: 'custom', input: name, message: `interface name '${name}' ${rule}, for example: veth-red` })
})

/** The grammar of CNI container ids and network names (CNI spec 1.1.0, "Parameters"). */
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

function identifierOf(what: string, longest: number, example: string, reserved: readonly string[] = []) {
  return z.string().check((ctx) => {
    const name = ctx.value
    const rule = reserved.includes(name)
      ? 'is reserved'
      : /^\d+$/.test(name)
        ? 'must not be a number, which ip takes for a process id'
        : !identifier.test(name)
          ? 'must begin with a letter or digit and contain only letters, digits, _ . -'
          : name.length > longest
            ? `is ${name.length} characters long; ${longest} are allowed`
            : undefined
    if (rule)
      ctx.issues.push({ code: 'custom', input: name, message: `${what} '${name}' ${rule}, for example: ${example}` })
  })
}

/** The name of a CNI network, as it becomes a part of the names of tables. */
export const networkName = z.string().regex(identifier, {
  error: (issue) =>
    `'${String(issue.input)}' is not a network name: it must begin with a letter or digit and contain only letters, digits, _ . -`,
})

/** Whose something is, as the comment of an element of nftables, which holds 128 bytes and stands in quotes. */
export const ownerName = z.string().regex(/^[!#-[\]-~]{1,128}$/, {
  error: (issue) => `'${String(issue.input)}' is not an owner, for example: mynet/web-1/eth0`,
})

/** An interface as rules of nftables name it, and tables that are called after it: they read other signs as their own. */
export const ruleInterface = interfaceName.refine((name) => /^[\w.-]+$/.test(name), {
  error: (issue) => `interface name '${String(issue.input)}' must be of letters, digits, _ . -, for example: veth-red`,
})

/** The name of a network namespace that a user may create. */
export const netnsName = identifierOf('namespace name', 64, 'red', [HOST, INTERNET])
/** A namespace in which something happens: any that exists, `internet` included; `host` is written by leaving it out. */
export const anyNetns = identifierOf('namespace name', 64, 'red', [HOST])

/** The file of a network namespace, for one that has no name: `/proc/42/ns/net`. */
const netnsPath = z.string().regex(/^\/[^\s"'#\\]+$/)

/** A namespace by its name, or by the path of its file. */
export const netnsPlace = z.union([netnsPath, anyNetns], {
  error: (issue) =>
    anyNetns.safeParse(issue.input).error?.issues[0]?.message ?? `'${String(issue.input)}' is no namespace`,
})

/** A namespace's name, if its file is where `ip netns` has it; else its path. */
export function netnsOf(path: string): string {
  const [, name] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path) ?? []
  return name !== undefined && anyNetns.safeParse(name).success ? name : path
}
