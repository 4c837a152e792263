#!/opt/cnilab/node
// A whole IPAM plugin, which keeps the rules. Tests break one of them by an edit of this text, and run the suite on it.
const fs = require('node:fs')
const VERSIONS = ['0.1.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
const env = process.env
const command = env.CNI_COMMAND ?? ''
const id = env.CNI_CONTAINERID ?? ''
const ifname = env.CNI_IFNAME ?? ''
let version = '1.1.0'

function fail(code, msg) {
  console.log(JSON.stringify({ cniVersion: version, code, msg, details: 'see the CNI spec' }))
  process.exit(1)
}

function read(text) {
  try {
    return JSON.parse(text)
  } catch {
    fail(6, 'not JSON')
  }
}

const required = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
}
if (!required[command]) fail(4, `unknown CNI_COMMAND ${command}`)
const missing = required[command].filter((name) => !env[name])
if (missing.length > 0) fail(4, `missing ${missing}`)
if (id !== '' && !/^[a-zA-Z0-9][\w.-]*$/.test(id)) fail(4, 'bad container id')
if (ifname === '..' || ifname.length > 15 || /[/:\s]/.test(ifname)) fail(4, 'bad interface name')
const text = fs.readFileSync(0, 'utf8')
if (command === 'VERSION') {
  const { cniVersion = '0.1.0' } = text === '' ? {} : read(text)
  console.log(JSON.stringify({ cniVersion, supportedVersions: VERSIONS }))
  process.exit(0)
}
const config = read(text)
if (!VERSIONS.includes(config.cniVersion)) fail(1, `no version ${config.cniVersion}`)
version = config.cniVersion
if (command === 'CHECK' && version < '0.4.0') fail(1, 'no CHECK yet')
if ((command === 'GC' || command === 'STATUS') && version < '1.1.0') fail(1, `no ${command} yet`)
if (!/^[a-zA-Z0-9][\w.-]*$/.test(config.name ?? '')) fail(7, 'bad name')

const folder = `/var/lib/cni/tiny/${config.name}`
fs.mkdirSync(folder, { recursive: true })
const owner = `${id}\n${ifname}`
const all = () => fs.readdirSync(folder).map((name) => ({ file: `${folder}/${name}`, name }))
const ownerOf = ({ file }) => {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

if (command === 'ADD') {
  let n = 2
  for (; ; n++)
    try {
      fs.writeFileSync(`${folder}/10.98.0.${n}.${process.pid}`, owner)
      fs.linkSync(`${folder}/10.98.0.${n}.${process.pid}`, `${folder}/10.98.0.${n}`)
      break
    } catch {
      // taken
    } finally {
      fs.rmSync(`${folder}/10.98.0.${n}.${process.pid}`, { force: true })
    }
  const address = `10.98.0.${n}/16`
  const ip = version < '1.0.0' ? { version: '4', address } : { address }
  const result = version < '0.3.0' ? { ip4: { ip: address } } : { ips: [ip] }
  console.log(JSON.stringify({ cniVersion: version, ...result, dns: {} }))
}
if (command === 'DEL') for (const one of all()) if (ownerOf(one) === owner) fs.rmSync(one.file, { force: true })
if (command === 'CHECK' && !all().some((one) => ownerOf(one) === owner)) fail(100, 'no address is reserved')
if (command === 'GC') {
  const valid = config['cni.dev/valid-attachments'].map((one) => `${one.containerID}\n${one.ifname}`)
  for (const one of all()) if (!valid.includes(ownerOf(one))) fs.rmSync(one.file, { force: true })
}
