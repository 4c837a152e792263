import { HOST, INTERNET } from '../state/state.ts'
import type { Rule, Ruling } from './rule.ts'

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
export function interfaceNameRule(name: string): Ruling {
  const problem = againstTheKernel(name) ?? againstOurs(name)
  return problem === undefined
    ? { value: name }
    : { problem: `interface name '${name}' ${problem}, for example: veth-red` }
}

/** What is wrong with the name of an interface that others may have created, in words; undefined if the kernel accepts it. */
export function wrongInterfaceName(name: string): string | undefined {
  const problem = againstTheKernel(name)
  return problem === undefined ? undefined : `interface name '${name}' ${problem}`
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

/** The name of a CNI network, which becomes part of the names of tables. */
export function networkNameRule(name: string): Ruling {
  const problem = wrongNetworkName(name)
  return problem === undefined ? { value: name } : { problem }
}

/** An owner, as the comment of an nftables element, which is quoted and holds 128 bytes. */
export function ownerRule(owner: string): Ruling {
  return /^[!#-[\]-~]{1,128}$/.test(owner)
    ? { value: owner }
    : { problem: `'${owner}' is not an owner, for example: mynet/web-1/eth0` }
}

/** An interface that appears in nftables rules and table names, where other characters have a meaning. */
export function ruleInterfaceRule(name: string): Ruling {
  const ruling = interfaceNameRule(name)
  return ruling.value === undefined || /^[\w.-]+$/.test(name)
    ? ruling
    : { problem: `interface name '${name}' must be of letters, digits, _ . -, for example: veth-red` }
}

/** A rule for the names of namespaces, except for some. */
function netnsRule(...reserved: readonly string[]): Rule {
  return (name) => {
    const problem = reserved.includes(name)
      ? 'is reserved'
      : /^\d+$/.test(name)
        ? 'must not be a number, which ip takes for a process id'
        : !identifier.test(name)
          ? IDENTIFIER
          : name.length > 64
            ? `is ${name.length} characters long; 64 are allowed`
            : undefined
    return problem === undefined
      ? { value: name }
      : { problem: `namespace name '${name}' ${problem}, for example: red` }
  }
}

/** The name of a network namespace that a user may create. */
export const netnsNameRule = netnsRule(HOST, INTERNET)
/** The name of any namespace to act in, including `internet`. For `host`, leave the namespace out. */
export const anyNetnsRule = netnsRule(HOST)

/** A namespace to change something in: its name, or the path of its file, `/proc/42/ns/net`. */
export function netnsPlaceRule(place: string): Ruling {
  return /^\/[^\s"'#\\]+$/.test(place) ? { value: place } : netnsNameRule(place)
}

/** The key of a sysctl that every network namespace has separately. */
export function sysctlKeyRule(key: string): Ruling {
  return /^net(\.[a-zA-Z0-9_/-]+)+$/.test(key)
    ? { value: key }
    : { problem: `'${key}' is not a sysctl of a network namespace, for example: net.ipv4.ip_forward` }
}

/** The name of the namespace at `path`, if that is where `ip netns` keeps it; else the path. */
export function netnsOf(path: string): string {
  const [, name] = /^(?:\/var)?\/run\/netns\/([^/]+)$/.exec(path) ?? []
  return name !== undefined && anyNetnsRule(name).problem === undefined ? name : path
}
