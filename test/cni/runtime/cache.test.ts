import { expect, it } from 'vitest'
import { CACHE_FOLDER, decode, encode, readCache, readCached, writeCached } from '../../../src/cni/runtime/cache.ts'
import { spawn } from '../../../src/kernel/spawn.ts'
import { withSandbox } from '../../helpers.ts'

const given = {
  network: 'mynet',
  containerId: 'web-1',
  ifname: 'eth0',
  netns: '/run/netns/red',
  args: [['IP', '10.22.0.9']] as const,
  capabilityArgs: { mac: 'x' },
}
const result = { cniVersion: '1.0.0', ips: [{ address: '10.22.0.9/16' }], dns: {} }

it("the text is libcni's", () => {
  expect(JSON.parse(encode(given, '{"name":"mynet"}', result))).toEqual({
    kind: 'cniCacheV1',
    containerId: 'web-1',
    config: Buffer.from('{"name":"mynet"}').toString('base64'),
    ifName: 'eth0',
    networkName: 'mynet',
    netns: '/run/netns/red',
    cniArgs: [['IP', '10.22.0.9']],
    capabilityArgs: { mac: 'x' },
    result,
  })
  const bare: unknown = JSON.parse(encode({ ...given, netns: '', args: [], capabilityArgs: {} }, '', result))
  expect(Object.keys(Object(bare))).toEqual(['kind', 'containerId', 'config', 'ifName', 'networkName', 'result'])
})

it('what libcni wrote is read', () => {
  // Go writes the keys in this order, and null for what is not there.
  const text = `{"kind":"cniCacheV1","containerId":"c","config":"e30=","ifName":"eth0","networkName":"n","netns":"/x","cniArgs":null,"result":{"cniVersion":"0.4.0","dns":{},"ips":[{"address":"10.1.0.2/16","version":"4"}]}}`
  expect(decode(text)).toMatchObject({ network: 'n', containerId: 'c', ifname: 'eth0', netns: '/x', config: '{}' })
  for (const bad of ['', '{', '{}', '[]', text.replace('cniCacheV1', 'other'), text.slice(0, 99)])
    expect(() => decode(bad)).toThrow(Error)
})

it('in a sandbox: written whole or not at all, private, and bad files are named', async () => {
  await withSandbox(async ({ host }) => {
    const run = async (script: string) => (await spawn([...host.enter, 'sh', '-c', script])).stdout
    expect(await readCache(host)).toEqual({ entries: [], bad: [] })
    expect(await readCached(host, given)).toBeUndefined()
    const long = { ...result, note: 'x'.repeat(200_000) } // many writes
    await writeCached(host, given, '{}', long)
    expect(await readCached(host, given)).toMatchObject(given)
    expect(await run(`stat -c '%a %n' ${CACHE_FOLDER} ${CACHE_FOLDER}/*`)).toBe(
      `700 ${CACHE_FOLDER}\n600 ${CACHE_FOLDER}/mynet-web-1-eth0\n`,
    )

    // Whoever reads while another writes sees a complete file.
    const reader = run(`i=0; while [ $i -lt 100 ]; do tail -c 3 ${CACHE_FOLDER}/mynet-web-1-eth0; i=$((i+1)); done`)
    for (let i = 0; i < 10; i++) await writeCached(host, given, '{}', long)
    expect(new Set((await reader).trim().split('\n'))).toEqual(new Set(['}}']))

    await run(`cd ${CACHE_FOLDER}; : >empty; echo '{"kind":' >half; echo '{' >.cnilab-12345678; ln -s /etc/passwd link`)
    const cache = await readCache(host)
    expect(cache.entries).toMatchObject([given])
    expect(cache.bad).toEqual([`${CACHE_FOLDER}/empty`, `${CACHE_FOLDER}/half`])

    // Where it cannot be written, nothing of it is left.
    await run(`mkdir -p ${CACHE_FOLDER}/mynet-web-2-eth0/x`)
    await expect(writeCached(host, { ...given, containerId: 'web-2' }, '{}', result)).rejects.toThrow(/could not write/)
    expect(await run(`ls -A ${CACHE_FOLDER} | grep -c cnilab`)).toBe('1\n')
  })
})
