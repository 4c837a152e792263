import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll } from 'vitest'
import { readJob } from '../../src/cni/teacher/bridge-job.ts'
import { setupFor } from '../../src/cni/conformance/configs.ts'
import { readConfigs } from '../../src/cni/config/configs.ts'
import { findRuntimes } from '../../src/cni/machine/runtimes.ts'
import { withFolders } from '../../src/cni/machine/summary.ts'
import { validate } from '../../src/cni/config/validate.ts'
import { discover } from '../../src/cni/config/discover.ts'
import { readRequest } from '../../src/cni/runtime/request.ts'
import { CnilabError } from '../../src/errors.ts'
import { mostly, mutated, text } from './arbitraries.ts'
import { fuzz } from './fuzz.ts'
import { networks, plugins } from './networks.ts'

const root = mkdtempSync(join(tmpdir(), 'cnilab-fuzz-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** Runs `use` with a folder that has these files and no others. */
async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = join(root, 'net.d')
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Whether something was refused as a mistake of whoever asks. */
function isRefused(act: () => unknown): boolean {
  try {
    act()
    return false
  } catch (error) {
    if (error instanceof CnilabError && error.kind === 'usage') return true
    throw error
  }
}

const network = mutated(networks.map((one) => JSON.stringify(one)))
const folder = fc.dictionary(
  fc.constantFrom('10-a.conf', '20-b.conflist', '30-c.json', '40-d.conflist', 'mynet/e.conf'),
  fc.oneof(network, mutated(plugins.map((one) => JSON.stringify(one)))),
  { minKeys: 1, maxKeys: 3 },
)

fuzz('a folder of network configurations is read and explained, with all that is wrong in it', 6, folder, (files) =>
  withFiles(files, async (path) => {
    const { mistakes } = await validate(path, [])
    for (const { file, line, column, what } of mistakes)
      if (!file.startsWith(path) || line < 1 || column < 1 || what === '')
        throw new Error(`a mistake without a place: ${file}:${line}:${column}`)
    readConfigs(path, [path])
    const found = discover(path)
    for (const command of ['ADD', 'GC'] as const)
      isRefused(() => readRequest(command, { network: 'mynet', netns: 'red', confDir: path }, {}))
    // What a runtime cannot load, it is told of as an error; but for what it has in a folder of its own.
    for (const { file, why } of found.bad)
      if (!why.includes('/mynet/') && !mistakes.some((one) => one.file === file && one.severity === 'error'))
        throw new Error(`${file} is loaded by none, and no error is told of it`)
    return found.networks.length > 0 ? 'with a network' : 'without one'
  }),
)

fuzz(
  'a file that is named as a configuration is read or refused',
  4,
  fc.tuple(fc.constantFrom('a.conf', 'a.conflist'), network),
  ([name, content]) =>
    withFiles({ [name]: content }, (path) => {
      const isJob = !isRefused(() => readJob('web', 'red', join(path, name)))
      const isSetup = !isRefused(() => setupFor('bridge', join(path, name)))
      return `${isJob ? 'a job' : 'no job'} and ${isSetup ? 'a setup' : 'no setup'}`
    }),
)

const odd = (...expected: string[]) => mostly(fc.constantFrom(...expected), text, 3)
const typed = fc.record(
  {
    network: odd('mynet'),
    netns: odd('red', '/run/netns/red'),
    cid: odd('web-1'),
    ifname: odd('eth0'),
    args: odd('IP=10.22.0.9;IgnoreUnknown=1'),
    capArgs: odd('{"portMappings":[]}', '[]'),
    keep: fc.array(odd('web-1/eth0'), { maxLength: 2 }),
  },
  { requiredKeys: ['network'] },
)

fuzz('what is typed for the runtime is read or refused', 3, typed, (words) =>
  isRefused(() => readRequest('DEL', { ...words, confDir: '/no/such' }, {})) ? 'refused' : 'read',
)

const toml = fc.oneof(
  fc.constantFrom(
    "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n[plugins.'io.containerd.cri.v1.runtime'.cni]\nconf_dir = '/a'\nbin_dirs = ['/b', '/c']\n",
    "disabled_plugins = ['cri']\n[plugins.cri.cni]\nbin_dir = ''\n",
    "[crio.network]\nnetwork_dir = '/a'\nplugin_dirs = ['/b']\ncni_default_network = 'mynet'\n",
  ),
  fc.array(text, { maxLength: 20 }).map((parts) => parts.join(' ')),
)
const settings = fc.record({
  containerd: mutated(toml),
  imported: mutated(toml),
  crio: mutated(toml),
  kubelet: mutated(fc.constantFrom('containerRuntimeEndpoint: unix:///run/x.sock\n', '{}', 'a: &a [*a]')),
  flags: fc.array(
    fc.oneof(text, fc.constantFrom('--cni-conf-dir', '--cni-bin-dir=/x', '--config', '--network-plugin=cni')),
    { maxLength: 4 },
  ),
})

fuzz(
  'the settings of kubelet, containerd and CRI-O are read, whatever they say',
  4,
  settings,
  ({ containerd, imported, crio, kubelet, flags }) => {
    const cmdline = (...words: string[]) => words.map((word) => `${word.replaceAll('\0', '')}\0`).join('')
    return withFiles(
      {
        'proc/1/cmdline': cmdline('/usr/bin/kubelet', '--config=/etc/kubelet.yaml', ...flags),
        'proc/2/cmdline': cmdline('containerd'),
        'proc/3/cmdline': cmdline('crio', ...flags),
        'proc/4/cmdline': cmdline('cri-dockerd', ...flags),
        'etc/kubelet.yaml': kubelet,
        'etc/containerd/config.toml': containerd,
        'etc/containerd/conf.d/a.toml': imported,
        'etc/crio/crio.conf': crio,
      },
      (path) => {
        const runtimes = findRuntimes(path).map(withFolders)
        if (runtimes.length !== 4) throw new Error(`${runtimes.length} programs were found`)
        return runtimes.some(({ notes }) => notes.some((note) => note.includes('cannot read ')))
          ? 'with mistakes'
          : 'read'
      },
    )
  },
)
