import * as z from 'zod'
import { asText } from '../visible.ts'
import { HOST, INTERNET } from '../state/state.ts'

// A command parses each thing once or twice: compiling a parser would cost more than it saves.
z.config({ jitless: true })

/** Why the kernel refuses a name for an interface (net/core/dev.c, dev_valid_name). */
function againstTheKernel(name: string): string | undefined {
  const bytes = Buffer.byteLength(name)
  if (name === '') return 'must not be empty'
  if (bytes > 15) return `is ${bytes} bytes long; the kernel allows 15`
  if (name === '.' || name === '..') return 'must not be . or ..'
  return /[\s/:]/.test(name) ? 'must not contain a space, / or :' : undefined
}

/**
 * Why we refuse it even if the kernel does not. `ip -batch` interprets quotes, `#` and `\` (`a#b` would be `a` and a
 * comment), and the kernel turns `a%d` into `a0`.
 */
function againstOurs(name: string): string | undefined {
  if (/[%#"'\\]/.test(name)) return 'must not contain a quote or any of % # \\'
  if (name.startsWith('-')) return 'must not begin with - (it would read as an option)'
  if (/[^\x21-\x7e]/.test(name)) return 'must be printable ASCII'
  return name === 'all' || name === 'default' ? 'is reserved: in sysctl it means every interface' : undefined
}

/** An interface that operations may name. */
export const interfaceName = z.string().check((ctx) => {
  const name = ctx.value
  const rule = againstTheKernel(name) ?? againstOurs(name)
  if (rule !== undefined)
    ctx.issues.push({ code: 'custom', input: name, message: `interface name '${name}' ${rule}, for example: veth-red` })
})

/** What is wrong with the name of an interface that others may have created, in words; undefined if the kernel accepts it. */
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

/** What is wrong with a network's name, in words; undefined if nothing is. */
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

/** The name of a CNI network, which becomes part of the names of tables. */
export const networkName = z.string().regex(identifier, { error: (issue) => wrongNetworkName(asText(issue.input)) })

/** An owner, as the comment of an nftables element, which is quoted and holds 128 bytes. */
export const ownerName = z.string().regex(/^[!#-[\]-~]{1,128}$/, {
  error: (issue) => `'${asText(issue.input)}' is not an owner, for example: mynet/web-1/eth0`,
})

/** An interface that appears in nftables rules and table names, where other characters have a meaning. */
export const ruleInterface = interfaceName.refine((name) => /^[\w.-]+$/.test(name), {
  error: (issue) => `interface name '${asText(issue.input)}' must be of letters, digits, _ . -, for example: veth-red`,
})

/** The name of a network namespace that a user may create. */
export const netnsName = identifierOf('namespace name', 64, 'red', [HOST, INTERNET])
/** The name of any namespace to act in, including `internet`. For `host`, leave the namespace out. */
export const anyNetns = identifierOf('namespace name', 64, 'red', [HOST])

/** The file of a network namespace without a name: `/proc/42/ns/net`. */
const netnsPath = z.string().regex(/^\/[^\s"'#\\]+$/, { abort: true })

/** A namespace to change something in: its name, or the path of its file. */
export const netnsPlace = z.union([netnsPath, netnsName], {
  error: (issue) =>
    netnsName.safeParse(issue.input).error?.issues[0]?.message ?? `'${asText(issue.input)}' is not a namespace`,
})

/** The name of the namespace at `path`, if that is where `ip netns` keeps it; else the path. */
export function netnsOf(path: string): string {
  const [, name] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path) ?? []
  return name !== undefined && anyNetns.safeParse(name).success ? name : path
}
