import { readText } from '../../kernel/read-file.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Dns } from '../protocol/result.ts'

/** Reads a file in resolv.conf(5) syntax. Throws CniError `io`. */
export function readResolvConf(file: string): Dns {
  const values: Record<string, string[]> = {}
  for (const line of readLines(file)) {
    const [key = '', ...words] = line.trim().split(/\s+/)
    if (words.length === 0 || /^[#;]/.test(key)) continue
    if (key === 'nameserver') values[key] = [...(values[key] ?? []), ...words.slice(0, 1)]
    else if (key === 'domain') values[key] = words.slice(0, 1)
    else if (key === 'search' || key === 'options') values[key] = [...(values[key] ?? []), ...words]
  }
  const { nameserver, domain, search, options } = values
  return {
    ...(nameserver ? { nameservers: nameserver } : {}),
    ...(domain?.[0] === undefined ? {} : { domain: domain[0] }),
    ...(search ? { search } : {}),
    ...(options ? { options } : {}),
  }
}

function readLines(file: string): string[] {
  try {
    return readText(file).split('\n')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CniError(
      CODE.io,
      `could not read "resolvConf" ${file}: ${why}`,
      'change "ipam.resolvConf", or create the file',
    )
  }
}
