import * as z from 'zod'
import { anyNetns, interfaceName } from '../operations/names.ts'
import { destination, interfaceAddress, ipAddress } from '../operations/ip.ts'
import { macAddress } from '../operations/mac.ts'
import { wayTo } from '../operations/route.ts'
import { yesOrNo } from '../operations/scalars.ts'
import { inNetns, resource } from '../operations/operation.ts'
import { findLink, HOST, type Link, type Route } from '../state/state.ts'
import type { AssertionKind } from './assertion.ts'

/** A namespace of this name exists. */
export const netns: AssertionKind<{ name: string }> = {
  title: 'a namespace exists',
  params: z.strictObject({ name: anyNetns.describe('its name') }),
  id: (p) => p.name,
  what: (p, not) => `There is ${not ? 'no' : 'a'} namespace ${p.name}`,
  expected: (p, not) => (not ? `there is no namespace ${p.name}` : `namespace ${p.name} exists`),
  why: 'A container is, for the network, a namespace with a name.',
  provides: (p) => [resource.netns(p.name)],
  test: (p) => ({
    by: 'state',
    judge: (now) => ({
      holds: now.has(p.name),
      actual: now.has(p.name) ? `namespace ${p.name} exists` : `there is no namespace ${p.name}`,
    }),
  }),
}

const inPlace = anyNetns.optional().describe('the namespace that it is in; by default the host')

/** The interface, and the properties that it should have. */
interface InterfaceParams {
  name: string
  netns?: string | undefined
  kind?: string | undefined
  up?: boolean | undefined
  master?: string | undefined
  address?: string | undefined
  mac?: string | undefined
  mtu?: number | undefined
}

/** An interface exists, and has certain properties. */
const interfaceKind: AssertionKind<InterfaceParams> = {
  title: 'an interface exists, and has certain properties',
  params: z.strictObject({
    name: interfaceName.describe('its name'),
    netns: inPlace,
    kind: z
      .string()
      .regex(/^[a-z0-9_]+$/, { error: 'is the kernel’s word for a kind of interface, for example: veth or bridge' })
      .optional()
      .describe('its kind'),
    up: yesOrNo.optional().describe('whether it is up'),
    master: interfaceName.optional().describe('the bridge that it is a port of'),
    address: interfaceAddress.optional().describe('an address that it has, with its prefix'),
    mac: macAddress.optional().describe('its MAC address'),
    mtu: z
      .string()
      .regex(/^\d{2,5}$/, { error: 'is a number of bytes, for example: 1500' })
      .transform(Number)
      .optional()
      .describe('the largest packet that it carries, in bytes'),
  }),
  id: (p) => [p.netns ?? HOST, p.name, ...wantedOf(p).flat()].join('.'),
  what: (p, not) => `${p.name}${inNetns(p.netns)} is ${not ? 'not ' : ''}${listOf(p)}`,
  expected: (p, not) => `${p.name}${inNetns(p.netns)} is ${not ? 'not ' : ''}${listOf(p)}`,
  why: 'Packets pass only through interfaces that exist, are up, have the right address and are plugged in where they belong.',
  needs: (p) => [
    ...(p.netns === undefined ? [] : [resource.netns(p.netns)]),
    ...(wantedOf(p).length > 0 ? [resource.link(p.name, p.netns)] : []),
  ],
  provides: (p) => [resource.link(p.name, p.netns)],
  addresses: (p) => (p.address === undefined ? [] : [{ address: p.address, ifname: p.name, netns: p.netns }]),
  test: (p) => ({
    by: 'state',
    judge: (now) => {
      const place = `${p.name}${inNetns(p.netns)}`
      const link = findLink(now, p.name, p.netns)
      if (!link) return { holds: false, actual: `there is no ${place}` }
      const wrong = wantedOf(p).filter(([property, value]) => !has(link, property, value))
      return {
        holds: wrong.length === 0,
        actual:
          wrong.length === 0
            ? `${place} is ${listOf(p)}`
            : `${place} ${wrong.map(([property]) => describe(link, property)).join(' and ')}`,
      }
    },
  }),
}
export { interfaceKind as interface }

type Property = 'kind' | 'up' | 'master' | 'address' | 'mac' | 'mtu'
type Wanted = readonly [Property, string | number | boolean]

function wantedOf(p: InterfaceParams): Wanted[] {
  const properties = ['kind', 'up', 'master', 'address', 'mac', 'mtu'] as const
  return properties.flatMap((property) => {
    const value = p[property]
    return value === undefined ? [] : [[property, value] as const]
  })
}

function listOf(p: InterfaceParams): string {
  const parts = wantedOf(p).map(([property, value]) => {
    switch (property) {
      case 'kind':
        return `a ${value}`
      case 'up':
        return value === true ? 'up' : 'down'
      case 'master':
        return `a port of ${value}`
      case 'address':
        return `with address ${value}`
      case 'mac':
        return `with MAC address ${value}`
      case 'mtu':
        return `with an MTU of ${value}`
    }
  })
  return parts.length === 0 ? 'there' : parts.join(', ')
}

function has(link: Link, property: Property, value: string | number | boolean): boolean {
  if (property === 'address') return link.addresses.some(({ address, prefix }) => `${address}/${prefix}` === value)
  if (property === 'mac') return link.mac === value
  return link[property] === value
}

function describe(link: Link, property: Property): string {
  switch (property) {
    case 'address': {
      const own = link.addresses.filter(({ scope }) => scope !== 'link')
      return own.length === 0
        ? 'has no address'
        : `has ${own.map(({ address, prefix }) => `${address}/${prefix}`).join(', ')}`
    }
    case 'up':
      return `is ${link.up ? 'up' : 'down'}`
    case 'kind':
      return link.kind === '' ? 'is not a virtual interface' : `is a ${link.kind}`
    case 'master':
      return link.master === undefined ? 'is not a port of any bridge' : `is a port of ${link.master}`
    case 'mac':
      return `has the MAC address ${link.mac}`
    case 'mtu':
      return `has an MTU of ${link.mtu}`
  }
}

interface RouteParams {
  dst: string
  via?: string | undefined
  dev?: string | undefined
  netns?: string | undefined
}

/** The main table has a route. */
export const route: AssertionKind<RouteParams> = {
  title: 'the main table has a route',
  params: z.strictObject({
    dst: destination.describe('where it leads: default, or a subnet'),
    via: ipAddress.optional().describe('the gateway'),
    dev: interfaceName.optional().describe('the interface through which packets leave'),
    netns: inPlace,
  }),
  id: (p) => [p.netns ?? HOST, p.dst, p.via, p.dev].filter((word) => word !== undefined).join('.'),
  what: (p, not) => `${p.netns ?? 'the host'} has ${not ? 'no' : 'a'} route ${words(p)}`,
  expected: (p, not) => `${p.netns ?? 'the host'} has ${not ? 'no' : 'a'} route ${words(p)}`,
  why: 'The routing table tells a packet its next hop. Without a route, the kernel does not send it.',
  needs: (p) => (p.netns === undefined ? [] : [resource.netns(p.netns)]),
  test: (p) => ({
    by: 'state',
    proof: wayTo(p),
    judge: (now) => {
      const routes = now.get(p.netns ?? HOST)?.routes ?? []
      const found = routes.find((one) => matches(one, p))
      const same = routes.filter(({ dst }) => dst === p.dst)
      return {
        holds: found !== undefined,
        actual: found
          ? `${p.netns ?? 'the host'} has a route ${words(found)}`
          : same.length > 0
            ? `the route is ${same.map(words).join(' and ')}`
            : `${p.netns ?? 'the host'} has no route to ${p.dst}`,
      }
    },
  }),
}

function matches(one: Route, { dst, via, dev }: RouteParams): boolean {
  return one.dst === dst && (via === undefined || one.via === via) && (dev === undefined || one.dev === dev)
}

function words({ dst, via, dev }: Pick<Route, 'dst' | 'via' | 'dev'> | RouteParams): string {
  return [`to ${dst}`, ...(via === undefined ? [] : [`via ${via}`]), ...(dev === undefined ? [] : [`on ${dev}`])].join(
    ' ',
  )
}
