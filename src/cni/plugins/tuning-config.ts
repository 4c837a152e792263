import { existsSync } from 'node:fs'
import { readText } from '../../kernel/read-file.ts'
import type { Operation } from '../../operations/registry.ts'
import { ownMacRule } from '../../rules/mac.ts'
import { sysctlKeyRule } from '../../rules/names.ts'
import { isObject } from '../../state/json.ts'
import { CODE, CniError } from '../protocol/error.ts'
import type { Call } from '../protocol/plugin-type.ts'
import { settingsOf } from '../protocol/settings.ts'
import { mtuOf } from './bridge-config.ts'
import { requestedMac } from './container-end.ts'

/** What a configuration wants of a container's interface, and of its namespace. */
export interface Tuning {
  sysctls: readonly { key: string; value: string }[]
  link: Omit<Extract<Operation, { kind: 'link-settings' }>['params'], 'ifname' | 'netns'>
  /** Where the former settings are kept. */
  dataDir: string
}

/** The reference's folder, so that either finds what the other kept. */
const DATA = '/run/cni/tuning'

/** A file of the node's, of regular expressions: where it is, a configuration may set no other sysctls. */
const ALLOWED = '/etc/cni/tuning/allowlist.conf'

/** Parses the tuning plugin's part of a call's configuration: all keys of the reference's. Throws CniError `config`. */
export function tuningConfig(call: Call): Tuning {
  const settings = settingsOf(call)
  const mac = settings.byRule('mac', ownMacRule)
  return {
    sysctls: sysctlsOf(call),
    link: {
      mac: requestedMac(call) ?? mac,
      mtu: mtuOf(settings),
      // As in the reference, false leaves it as it is.
      promiscuous: settings.flag('promisc') === true ? true : undefined,
      allMulticast: settings.flag('allmulti'),
      queueLength: settings.whole('txQLen', 0, 0x7fff_ffff),
    },
    dataDir: dataDirOf(call),
  }
}

/** Where the former settings are kept. Throws CniError `config`. */
export function dataDirOf(call: Pick<Call, 'config'>): string {
  const settings = settingsOf(call)
  const folder = settings.text('dataDir') ?? DATA
  if (!folder.startsWith('/')) throw settings.refuse('dataDir', `'${folder}' does not begin with /`)
  return folder
}

function sysctlsOf(call: Call): Tuning['sysctls'] {
  const given = call.config['sysctl']
  const settings = settingsOf(call).part('sysctl')
  const allowed = allowedKeys()
  return Object.keys(isObject(given) ? given : {}).map((written) => {
    const value = settings.required(written, settings.text(written)).trim().replaceAll(/\s+/g, ' ')
    const { value: key, problem } = sysctlKeyRule(withName(dotted(written), call.ifname))
    if (key === undefined) throw settings.refuse(written, problem)
    if (/[^\x20-\x7e]/.test(value)) throw settings.refuse(written, 'its value has other characters than ASCII')
    if (allowed?.some((one) => one.test(dotted(written))) === false)
      throw new CniError(
        CODE.config,
        `network configuration: "sysctl": ${written} is not allowed on this node`,
        `${ALLOWED} has a regular expression on each line: one of them must match the key`,
      )
    return { key, value }
  })
}

/** As sysctl(8), it takes slashes between the parts, too: then dots belong to the name of an interface. */
function dotted(written: string): string {
  const isPath = /^[^.]*\//.test(written)
  return isPath ? written.replaceAll(/[./]/g, (c) => (c === '.' ? '/' : '.')) : written
}

/** The key for the container's interface, where it says IFNAME. */
function withName(key: string, ifname: string): string {
  return key.replace('IFNAME', () => ifname.replaceAll('.', '/'))
}

function allowedKeys(): RegExp[] | undefined {
  if (!existsSync(ALLOWED)) return undefined
  const lines = readText(ALLOWED).split('\n')
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => new RegExp(line))
}
