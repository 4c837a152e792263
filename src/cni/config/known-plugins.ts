import { types } from '../plugins/types.ts'
import { IPAM_TYPES, lookup, OTHERS, TYPES } from '../protocol/keys.ts'

/** What is known of a plugin type, whoever's program bears its name. */
export interface KnownPlugin {
  /** What it is for. */
  does: string
  /** Who maintains it, or did. */
  by: string
  /** Since when nobody does, in words. */
  ended?: string
  /** What else does the same, or where it comes from. */
  instead: string
}

const REFERENCE = 'containernetworking/plugins (cni.dev)'
const WEAVE = {
  by: 'Weaveworks',
  ended: 'the company closed in 2024',
  instead: 'flannel, Calico or Cilium, or the fork rajch/weave',
}

/** Plugins that are not among the reference's: what they are for, where `OTHERS` does not say it, and what became of them. */
const ELSEWHERE: Readonly<Record<string, Omit<KnownPlugin, 'does'> & { does?: string }>> = {
  flannel: { by: 'flannel-io/cni-plugin', instead: 'the DaemonSet of flannel installs it' },
  calico: { by: 'Project Calico (Tigera)', instead: "Calico's operator installs it" },
  'calico-ipam': {
    does: "addresses from Calico's pools",
    by: 'Project Calico (Tigera)',
    instead: "Calico's operator installs it",
  },
  'cilium-cni': { by: 'Cilium (CNCF)', instead: "Cilium's agent installs it" },
  multus: { by: 'k8snetworkplumbingwg/multus-cni', instead: 'its DaemonSet installs it' },
  whereabouts: {
    does: 'addresses from a range that all nodes share',
    by: 'k8snetworkplumbingwg/whereabouts',
    instead: 'its DaemonSet installs it',
  },
  sriov: {
    does: 'a virtual function of a network card',
    by: 'k8snetworkplumbingwg/sriov-cni',
    instead: 'its DaemonSet installs it',
  },
  'aws-cni': { does: "addresses of Amazon's VPC", by: 'Amazon (amazon-vpc-cni-k8s)', instead: 'EKS installs it' },
  'azure-vnet': { does: "addresses of Azure's virtual network", by: 'Microsoft', instead: 'AKS installs it' },
  antrea: { does: 'a network of Open vSwitch', by: 'Antrea (CNCF)', instead: "Antrea's agent installs it" },
  nsx: { does: "VMware NSX's network", by: 'Broadcom (NCP)', instead: 'NCP installs it' },
  'kube-ovn': { does: 'a network of OVN', by: 'Kube-OVN (CNCF)', instead: 'its DaemonSet installs it' },
  'ovn-k8s-cni-overlay': { does: 'a network of OVN', by: 'OVN-Kubernetes', instead: 'OpenShift installs it' },
  dnsname: {
    does: 'names of containers for podman',
    by: 'podman (containers/dnsname)',
    ended: 'podman 4 has other means',
    instead: 'netavark and aardvark-dns, which podman uses by default',
  },
  sample: {
    does: 'an example for authors of plugins, which connects nothing',
    by: REFERENCE,
    instead: 'no network needs it, and cnilab cni conformance tries a plugin of your own',
  },
  'weave-net': WEAVE,
  'weave-ipam': { ...WEAVE, does: "addresses from Weave's range" },
  'weave-plugin': { ...WEAVE, does: 'the program that weave-net and weave-ipam are links to' },
}

/** What is known of a plugin type; undefined if nothing is. */
export function knownPlugin(type: string): KnownPlugin | undefined {
  // Weave's program bears its version: weave-plugin-2.2.1.
  const name = type.replace(/^weave-plugin-[\d.]+$/, 'weave-plugin')
  const reference = lookup(TYPES, name) ?? lookup(IPAM_TYPES, name)
  if (reference) {
    const ours = isOurs(name) ? 'cnilab cni install has this type, too' : 'distributions have it in a package'
    return { does: reference.does, by: REFERENCE, instead: ours }
  }
  const other = lookup(ELSEWHERE, name)
  return other && { ...other, does: other.does ?? lookup(OTHERS, name) ?? name }
}

/** Whether `cnilab cni install` installs a plugin of this type. */
function isOurs(type: string): boolean {
  return Object.hasOwn(types, type)
}
