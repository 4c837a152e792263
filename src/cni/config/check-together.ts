import { asList, asObject, asString, type JsonObject } from './check-keys.ts'
import type { Path } from './json-source.ts'
import type { ReportMistake } from './mistake.ts'

/** Finds values that are valid by themselves but not together. */
export function checkTogether(type: string, plugin: JsonObject, path: Path, report: ReportMistake): void {
  if (type === 'bridge') checkBridge(plugin, path, report)
  const both = (a: string, b: string) => plugin[a] !== undefined && plugin[b] !== undefined
  if (type === 'portmap' && both('markMasqBit', 'externalSetMarkChain'))
    report('error', [...path, 'externalSetMarkChain'], 'markMasqBit and externalSetMarkChain exclude each other')
  if (type === 'bandwidth')
    for (const way of ['ingress', 'egress'])
      for (const [has, lacks] of [
        [`${way}Rate`, `${way}Burst`],
        [`${way}Burst`, `${way}Rate`],
      ] as const)
        if (Number(plugin[has] ?? 0) > 0 && Number(plugin[lacks] ?? 0) === 0)
          report('error', [...path, has], `"${has}" needs "${lacks}"`)
  const ways = ['device', 'hwaddr', 'kernelpath', 'pciBusID']
  if (type === 'host-device' && !ways.some((key) => plugin[key]) && !asObject(plugin['capabilities'])?.['deviceID'])
    report('error', path, `host-device needs one of ${ways.join(', ')}`, { fix: 'for example: "device": "eth1"' })
}

function checkBridge(plugin: JsonObject, path: Path, report: ReportMistake): void {
  const ipam = asObject(plugin['ipam']) ?? {}
  const hasIpam = asString(ipam['type']) !== undefined
  const is = (key: string) => plugin[key] === true
  const isGateway = is('isGateway') || is('isDefaultGateway')
  if (is('hairpinMode') && is('promiscMode'))
    report('error', [...path, 'promiscMode'], 'hairpinMode and promiscMode exclude each other', {
      why: 'a packet would reach the container twice; the plugin refuses',
    })
  if (hasIpam && is('disableContainerInterface'))
    report('error', [...path, 'disableContainerInterface'], 'disableContainerInterface and "ipam" exclude each other')
  if (!hasIpam)
    for (const key of ['isGateway', 'isDefaultGateway', 'ipMasq'])
      if (is(key))
        report('warning', [...path, key], `"${key}" does nothing without "ipam"`, { why: 'there is no address' })
  if (hasIpam && is('ipMasq') && !isGateway)
    report('warning', [...path, 'ipMasq'], '"ipMasq" without "isGateway": the bridge gets no address', {
      why: 'nobody on this host answers at the gateway address that containers get',
      fix: '"isGateway": true',
    })
  const routes = asList(ipam['routes']).map((route) => asString(asObject(route)?.['dst']))
  const isOut = is('isDefaultGateway') || routes.length > 0
  if (ipam['type'] === 'host-local' && is('ipMasq') && isGateway && !isOut)
    report(
      'warning',
      [...path, 'ipMasq'],
      'containers get no route out of their subnet, so there is nothing to masquerade',
      {
        fix: '"isDefaultGateway": true, or in ipam "routes": [{ "dst": "0.0.0.0/0" }]',
      },
    )
  if (is('forceAddress') && !isGateway)
    report('warning', [...path, 'forceAddress'], '"forceAddress" does nothing without "isGateway"')
  for (const [i, item] of asList(plugin['vlanTrunk']).entries()) {
    const { minID, maxID } = asObject(item) ?? {}
    const own = [...path, 'vlanTrunk', i]
    if ((minID === undefined) !== (maxID === undefined)) report('error', own, '"minID" and "maxID" belong together')
    else if (Number(minID) > Number(maxID))
      report('error', own, `"minID" ${Number(minID)} is above "maxID" ${Number(maxID)}`)
  }
}
