import * as z from 'zod'
import { asText } from '../visible.ts'
import { HOST, INTERNET } from '../state/state.ts'

// A command parses each thing once or twice: to compile a parser for it first costs more than that saves.
z.config({ jitless: true })

/** What keeps the kernel from naming an interface so (net/core/dev.c, dev_valid_name). */
function againstTheKernel(name: string): string | undefined {
  const bytes = Buffer.byteLength(name)
  if (name === '') return 'must not be empty'
  if (bytes > 15) return `is ${bytes} bytes long; the kernel allows 15`
  if (name === '.' || name === '..') return 'must not be . or ..'
  return /[\s/:]/.test(name) ? 'must not contain a space, / or :' : undefined
}

/**
 * What keeps us from it, too. Quotes, `#` and `\` are read by `ip -batch` as its own (`a#b` would be `a` and a comment),
 * and the kernel turns `a%d` into `a0`.
 */
function againstOurs(name: string): string | undefined {
  if (/[%#"'\\]/.test(name)) return 'must not contain a quote or any of % # \\'
  if (name.startsWith('-')) return 'must not begin with - (it would read as an option)'
  if (/[^\x21-\x7e]/.test(name)) return 'must be printable ASCII'
  return name === 'all' || name === 'default' ? 'is taken: sysctl means every interface by it' : undefined
}

/** An interface that operations may name. */
export const interfaceName = z.string().check((ctx) => {
  const name = ctx.value
  const rule = againstTheKernel(name) ?? againstOurs(name)
  if (rule !== undefined)
    ctx.issues.push({ code: 'custom', input: name, message: `interface name '${name}' ${rule}, for example: veth-red` })
})

/** What is wrong with the name of an interface that others may have made; undefined if the kernel takes it. */
export function wrongInterfaceName(name: string): string | undefined {
  const rule = againstTheKernel(name)
  return rule === undefined ? undefined : `interface name '${name}' ${rule}`
}

/** The grammar of CNI container ids and network names (CNI spec 1.1.0, "Parameters" and "Configuration format"). */
const identifier = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/
const IDENTIFIER = 'must begin with a letter or digit and contain only letters, digits, _ . -'

/** What is wrong with a container id, in words; undefined if nothing is. */
export function wrongContainerId(id: string): string | undefined {
  return identifier.test(id) ? undefined : `'${id}' is not a container id: it ${IDENTIFIER}`
}

/** The same for a network's name. */
export function wrongNetworkName(name: string): string | undefined {
  return identifier.test(name) ? undefined : `'${name}' is not a network name: it ${IDENTIFIER}`
}

function identifierOf(what: string, longest: number, example: string, reserved: readonly string[] = []) {
  return z.string().check((ctx) => {
    const name = ctx.value
    const rule = reserved.includes(name)
      ? 'is reserved'
      : /^\d+$/.test(name)
        ? 'must not be a number, which ip takes for a process id'
        : !identifier.test(name)
          ? IDENTIFIER
          : name.length > longest
            ? `is ${name.length} characters long; ${longest} are allowed`
            : undefined
    if (rule)
      ctx.issues.push({ code: 'custom', input: name, message: `${what} '${name}' ${rule}, for example: ${example}` })
  })
}

/** The name of a CNI network, as it becomes a part of the names of tables. */
export const networkName = z.string().regex(identifier, { error: (issue) => wrongNetworkName(asText(issue.input)) })

/** Whose something is, as the comment of an element of nftables, which holds 128 bytes and stands in quotes. */
export const ownerName = z.string().regex(/^[!#-[\]-~]{1,128}$/, {
  error: (issue) => `'${asText(issue.input)}' is not an owner, for example: mynet/web-1/eth0`,
})

/** An interface as rules of nftables name it, and tables that are called after it: they read other signs as their own. */
export const ruleInterface = interfaceName.refine((name) => /^[\w.-]+$/.test(name), {
  error: (issue) => `interface name '${asText(issue.input)}' must be of letters, digits, _ . -, for example: veth-red`,
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
    anyNetns.safeParse(issue.input).error?.issues[0]?.message ?? `'${asText(issue.input)}' is no namespace`,
})

/** A namespace's name, if its file is where `ip netns` has it; else its path. */
export function netnsOf(path: string): string {
  const [, name] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path) ?? []
  return name !== undefined && anyNetns.safeParse(name).success ? name : path
}
