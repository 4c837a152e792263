import { masqueradedSubnets } from '../operations/masquerade.ts'
import { HOST, INTERNET, type Link, type Namespace, type State } from '../state/state.ts'
import { otherEnd } from '../state/topology.ts'
import { visibleLine } from '../visible.ts'

/** A line of the picture, and its subtree. */
interface Branch {
  text: string
  below: Branch[]
}

/**
 * A picture of a network as a tree, with one line each for namespaces, interfaces and whatever else decides where packets go:
 *
 *     host
 *     ├─ cni0 (bridge) up 10.22.0.1/16
 *     │  └─ veth-b up ── red: eth0
 *     └─ forwards IPv4, masquerades 10.22.0.0/16
 *
 * `plain` draws it without box characters, for screen readers.
 */
export function picture(state: State, plain: boolean): string[] {
  const names = [...state.keys()].filter((name) => name !== HOST && name !== INTERNET).toSorted()
  return [HOST, ...names].flatMap((name) => {
    const namespace = state.get(name)
    if (!namespace) return []
    return [visibleLine(name), ...lines(branches(state, name, namespace, plain), plain)]
  })
}

function lines(all: readonly Branch[], plain: boolean, indent = ''): string[] {
  return all.flatMap(({ text, below }, i) => {
    const isLast = i === all.length - 1
    const [mark, rest] = plain ? ['  ', '  '] : isLast ? ['└─ ', '   '] : ['├─ ', '│  ']
    return [`${indent}${mark}${text}`, ...lines(below, plain, `${indent}${rest}`)]
  })
}

/** How deep ports may be nested, as in the kernel (MAX_NEST_DEV). */
const MAX_DEPTH = 8

function branches(state: State, netns: string, namespace: Namespace, plain: boolean): Branch[] {
  const ports = Map.groupBy(namespace.links, ({ master }) => master)
  // Draw each only once: a sandbox's ip may lie, and print ports that contain themselves.
  const seen = new Set<Link>()
  const draw = (link: Link, depth = 1): Branch[] => {
    if (seen.has(link)) return []
    seen.add(link)
    const own = depth < MAX_DEPTH ? (ports.get(link.name) ?? []) : []
    return [{ text: interfaceText(state, netns, link, plain), below: own.flatMap((port) => draw(port, depth + 1)) }]
  }
  const links = namespace.links.filter((link) => link.master === undefined && (netns !== HOST || link.name !== 'lo'))
  const routes = namespace.routes.flatMap(({ dst, via }) => (via === undefined ? [] : [`${dst} via ${via}`]))
  const forwards = (['inet', 'inet6'] as const)
    .filter((family) => namespace.forwarding[family]['all'] === true)
    .map((family) => `forwards ${family === 'inet' ? 'IPv4' : 'IPv6'}`)
  const masquerades = masqueradedSubnets(namespace.rules).map((subnet) => `masquerades ${subnet}`)
  const texts = [
    ...routes,
    ...(forwards.length + masquerades.length > 0 ? [[...forwards, ...masquerades].join(', ')] : []),
  ]
  return [...links.flatMap((link) => draw(link)), ...texts.map((text) => ({ text, below: [] }))]
}

function interfaceText(state: State, netns: string, link: Link, plain: boolean): string {
  const addresses = link.addresses.filter((a) => a.scope !== 'link').map((a) => `${a.address}/${a.prefix}`)
  const kind = link.kind === '' || link.kind === 'veth' ? '' : ` (${link.kind})`
  const other = link.kind === 'veth' ? otherEnd(state, { netns, link }) : undefined
  const cable =
    other === undefined
      ? []
      : [
          `${plain ? 'cable to' : '──'} ${other.netns === netns ? '' : `${visibleLine(other.netns)}: `}${other.link.name}`,
        ]
  return [`${link.name}${kind}`, link.up ? 'up' : 'down', ...addresses, ...cable].join(' ')
}
