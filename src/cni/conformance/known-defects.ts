/** A rule that a published plugin is known to break. */
export interface KnownDefect {
  check: string
  /** The plugin types with this defect. */
  types: readonly string[]
  /** What goes wrong. */
  what: string
  /** Where it was reported, if at all. */
  issue?: string
  /** Whether it depends on timing, and so does not show in every run. */
  sometimes?: true
}

/** The CNI project's own plugins, as version 1.1.1 identifies itself: it supports versions up to 1.0.0. */
export const REFERENCE = { maker: 'containernetworking/plugins', version: '1.1.1', newest: '1.0.0' }

const TESTED = [
  'bridge',
  'ptp',
  'macvlan',
  'loopback',
  'host-local',
  'static',
  'portmap',
  'tuning',
  'firewall',
  'bandwidth',
]
const MASQUERADING = ['bridge', 'ptp']
const LINKS = [...MASQUERADING, 'macvlan']

/** The defects that this suite found in version 1.1.1 of the reference plugins. */
export const KNOWN_DEFECTS: readonly KnownDefect[] = [
  { check: 'version.echo', types: TESTED, what: 'VERSION always answers with the newest version' },
  { check: 'error.version', types: TESTED, what: 'errors have no cniVersion' },
  { check: 'error.details', types: TESTED, what: 'most errors have no hint', issue: 'cni#817' },
  {
    check: 'env.args-unknown',
    types: [...LINKS, 'host-local', 'static', 'tuning'],
    what: 'a key of CNI_ARGS that it does not know is an error',
    issue: 'cni#560',
  },
  { check: 'env.netns-code', types: [...LINKS, 'loopback'], what: 'nearly all errors have the code 999' },
  {
    check: 'add.second-interface',
    types: ['ptp'],
    what: "the route to the first interface's gateway is in the way of the second one's",
  },
  { check: 'add.again', types: ['bandwidth'], what: "DEL leaves the queue on the host's end of the cable" },
  ...['del.no-netns-clean', 'del.netns-gone-clean'].map((check) => ({
    check,
    types: MASQUERADING,
    what: 'DEL leaves the NAT rules of a container that is gone',
    issue: 'plugins#810',
  })),
  {
    check: 'del.one-of-two',
    types: ['bridge'],
    what: "the NAT chain is one for all of a container's interfaces, and DEL of one removes it",
  },
  ...['result.0.1.0', 'result.0.2.0', 'result.0.3.0', 'result.0.3.1', 'result.0.4.0'].map((check) => ({
    check,
    types: ['loopback'],
    what: 'the result has the form of 1.0.0 whatever the version',
  })),
  { check: 'check.no-prevresult', types: ['loopback'], what: 'CHECK does not require prevResult' },
  ...['check.passes', 'result.0.4.0', 'result.1.0.0'].map((check) => ({
    check,
    types: ['portmap'],
    what: 'CHECK of a container without an IPv6 address looks for rules of IPv6',
  })),
  { check: 'check.rules-removed', types: MASQUERADING, what: 'CHECK does not look at NAT' },
  { check: 'check.forwarding-off', types: MASQUERADING, what: 'CHECK does not look at forwarding' },
  ...['delegate.fails-clean', 'delegate.missing'].map((check) => ({
    check,
    types: ['bridge', 'macvlan'],
    what: 'the interface is left behind when the IPAM plugin fails',
    issue: 'plugins#29',
  })),
  { check: 'delegate.fails-del', types: LINKS, what: 'an IPAM plugin that failed is not called with DEL' },
  {
    check: 'kill.add',
    types: [...LINKS, 'firewall', 'bandwidth'],
    what: 'DEL does not find everything that a killed ADD made',
    sometimes: true,
  },
  {
    check: 'kill.add',
    types: ['host-local'],
    what: 'a killed ADD may leave an address reserved for nobody',
    sometimes: true,
  },
  {
    check: 'kill.del',
    types: [...MASQUERADING, 'bandwidth'],
    what: 'a second DEL does not find everything that the first left',
    sometimes: true,
  },
]
