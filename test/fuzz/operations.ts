import * as fc from 'fast-check'
import * as z from 'zod'
import { objectOf } from './arbitraries.ts'

/** What of a JSON Schema of parameters matters here. */
const paramsSchema = z.object({
  properties: z.record(z.string(), z.looseObject({ enum: z.array(z.string()).optional() })),
  required: z.array(z.string()).optional(),
})

/** Values that suit parameters, by their names; the first line that fits counts. */
const SUITING: readonly (readonly [RegExp, readonly unknown[]])[] = [
  [/netns| from$/i, ['red', 'blue', '${a}']],
  [/ (via|to|server|as|hostIp)$/, ['10.22.0.1', '203.0.113.1', 'fd00::1', '${subnet[1]}']],
  [/ (subnet|dst|source)$/, ['10.22.0.0/16', '${subnet}', 'fd00::/64']],
  [/^(address|interface) address$/, ['10.22.0.2/16', 'fd00::2/64', '${subnet[2]}/${subnet.prefix}']],
  [/address$/i, ['10.22.0.2', 'fd00::2', '${subnet[2]}']],
  [/mac$/i, ['02:00:00:00:00:01']],
  [/(port|mtu|advmss| vlan|priority|table|scope|status)$| value$| untagged$/i, ['100', '200', '1400']],
  [/ tagged$/, [[{ first: '2', last: '3' }], []]],
  [
    / (up|hairpin|isolated|listen|linkLocal|vlanFiltering|detectDuplicates|prefixRoute|keepDefault|self)$/,
    ['true', 'no'],
  ],
  [/ key$/, ['net.ipv4.ip_forward', 'net.ipv4.conf.eth0.rp_filter']],
  [/ kind$/, ['veth', 'bridge']],
  [/ path$/, ['/', '/index.html']],
  [/./, ['eth0', 'cni0', 'veth-a', 'veth-b', 'mynet']],
]

/** Parameters of a kind: those that it must have, and some of the others. One of `seldom` is odd. */
export function paramsOf(kind: string, params: z.ZodType, seldom?: number): fc.Arbitrary<Record<string, unknown>> {
  const { properties, required } = paramsSchema.parse(z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' }))
  const own = Object.entries(properties).flatMap(([key, schema]) => {
    const suiting = schema.enum ?? SUITING.find(([name]) => name.test(`${kind} ${key}`))?.[1] ?? []
    return key === 'mark' ? [] : [[key, fc.constantFrom(...suiting)] as const]
  })
  return objectOf(Object.fromEntries(own), required, seldom)
}

/** The kinds of operations, or of checks, with parameters of which some are odd. */
export function alone<K extends string>(all: Readonly<Record<K, { params: z.ZodType }>>): fc.Arbitrary<[K, unknown]> {
  const names = Object.keys(all).filter((name): name is K => name in all)
  return fc.oneof(...names.map((kind) => fc.tuple(fc.constant(kind), paramsOf(kind, all[kind].params, 5))))
}
