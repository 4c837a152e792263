import type { Version } from '../protocol/versions.ts'
import type { Bench } from './bench.ts'
import type { PluginKind } from './verdict.ts'

/** One rule of the CNI spec 1.1.0, and how to test from outside whether a plugin follows it. */
export interface Check {
  /** Unique, `group.what`. */
  id: string
  /** The rule, as a sentence about the plugin. */
  title: string
  /** `required` if the spec says must, or nothing works without it; `recommended` if it says should. */
  level: 'required' | 'recommended'
  /** The title of the section of the CNI spec 1.1.0 that has the rule. */
  spec: string
  /** The kinds of plugins that it applies to; by default all. */
  kinds?: readonly PluginKind[]
  /** The oldest version of the spec with this rule: the plugin must support it or a newer one. */
  since?: Version
  /** Returns if the plugin follows the rule. Throws Violation, or NotApplicable. */
  run: (bench: Bench) => Promise<void>
}

/** Titles of the sections of the CNI spec 1.1.0. */
export const SPEC = {
  configuration: 'Section 1: Network configuration format',
  versions: 'Section 1: Version considerations',
  parameters: 'Section 2: Parameters',
  errors: 'Section 2: Errors',
  add: 'Section 2: ADD: Add container to network, or apply modifications',
  del: 'Section 2: DEL: Remove container from network, or un-apply modifications',
  check: "Section 2: CHECK: Check container's networking is as expected",
  status: 'Section 2: STATUS: Check plugin status',
  version: 'Section 2: VERSION: probe plugin version support',
  gc: 'Section 2: GC: Clean up any stale resources',
  lifecycle: 'Section 3: Lifecycle & Ordering',
  delegation: 'Section 4: Delegated plugin execution procedure',
  success: 'Section 5: ADD Success',
  ipam: 'Section 5: Delegated plugins (IPAM)',
  error: 'Section 5: Error',
  versionResult: 'Section 5: VERSION Success',
} as const
