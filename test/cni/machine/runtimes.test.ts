import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { findRuntimes } from '../../../src/cni/machine/runtimes.ts'
import { cli } from '../../helpers.ts'
import { folderWith, seed } from '../config/folder.ts'

const process1 = (pid: number, ...argv: string[]) => ({ [`proc/${pid}/cmdline`]: `${argv.join('\0')}\0` })

it('reads containerd 2: version 3, several folders of plugins, and what it imports', () => {
  const root = folderWith({
    ...process1(7, '/usr/bin/containerd'),
    'etc/containerd/config.toml': `version = 3
imports = ['/etc/containerd/conf.d/*.toml']
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/a', '/b']
  conf_dir = '/first'`,
    'etc/containerd/conf.d/10.toml': `[plugins.'io.containerd.cri.v1.runtime'.cni]\nconf_dir = '/second'`,
  })
  expect(findRuntimes(root)).toMatchObject([
    {
      program: 'containerd',
      pid: 7,
      confDir: { value: '/second', from: '/etc/containerd/conf.d/10.toml' },
      binDirs: { value: ['/a', '/b'], from: '/etc/containerd/config.toml' },
    },
  ])
})

it('reads containerd 1 with the file of its command line, and says that CRI is disabled', () => {
  const root = folderWith({
    ...process1(7, 'containerd', '-c', '/k3s.toml'),
    'k3s.toml': `version = 2
disabled_plugins = ["cri"]
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/k3s/bin"`,
  })
  expect(findRuntimes(root)).toMatchObject([
    {
      confDir: { value: '/etc/cni/net.d', from: 'default' },
      binDirs: { value: ['/k3s/bin'], from: '/k3s.toml' },
      notes: [expect.stringContaining('CRI plugin is disabled')],
    },
  ])
})

it('says of a file that is no TOML where it is broken, and finds a runtime that does not run', () => {
  const root = folderWith({ 'etc/containerd/config.toml': 'version = ', 'proc/1/cmdline': '' })
  const [containerd, ...others] = findRuntimes(root)
  expect(containerd?.notes).toEqual([expect.stringContaining('cannot read /etc/containerd/config.toml: ')])
  expect(containerd).not.toHaveProperty('pid')
  expect(others).toEqual([])
})

it("reads CRI-O's file and the ones that add to it; a flag beats both", () => {
  const files = {
    'etc/crio/crio.conf': `[crio.network]\nnetwork_dir = "/one"\nplugin_dirs = ["/p1", "/p2"]`,
    'etc/crio/crio.conf.d/10-more.conf': `[crio.network]\nnetwork_dir = "/two"\ncni_default_network = "pods"`,
  }
  expect(findRuntimes(folderWith({ ...files, ...process1(9, 'crio') }))).toMatchObject([
    {
      program: 'CRI-O',
      confDir: { value: '/two', from: '/etc/crio/crio.conf.d/10-more.conf' },
      binDirs: { value: ['/p1', '/p2'], from: '/etc/crio/crio.conf' },
      network: { value: 'pods' },
    },
  ])
  const flagged = findRuntimes(folderWith({ ...files, ...process1(9, 'crio', '--cni-config-dir', '/three') }))
  expect(flagged[0]?.confDir).toEqual({ value: '/three', from: '--cni-config-dir' })
})

it('says of a newer kubelet which runtime it asks, and since when its flags are gone', () => {
  const root = folderWith({
    ...process1(3, '/usr/bin/kubelet', '--config=/kubelet.yaml'),
    ...process1(4, 'kubelet', '--container-runtime-endpoint', 'unix:///run/crio/crio.sock'),
    ...process1(5, 'dockerd'),
    'kubelet.yaml': 'kind: KubeletConfiguration\ncontainerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n',
  })
  expect(findRuntimes(root)).toMatchObject([
    { pid: 3, endpoint: { value: 'unix:///run/containerd/containerd.sock', from: '/kubelet.yaml' } },
    { pid: 4, endpoint: { value: 'unix:///run/crio/crio.sock', from: '--container-runtime-endpoint' } },
    { pid: 5, program: 'dockerd', notes: [expect.stringContaining('CNM')] },
  ])
  const [first] = findRuntimes(root)
  expect(first?.notes.join()).toContain('since Kubernetes 1.24')
})

it('finds what rkt and Mesos left, and says that both have ended', () => {
  const left = folderWith({
    'etc/rkt/net.d/10-bridge.conf': seed,
    'etc/mesos-slave/network_cni_config_dir': '/etc/cni/net.d\n',
    'etc/mesos-slave/network_cni_plugins_dir': '/opt/cni/bin:/opt/more\n',
    'proc/1/cmdline': '',
  })
  expect(findRuntimes(left)).toMatchObject([
    {
      program: 'rkt',
      confDir: { value: '/etc/rkt/net.d' },
      binDirs: { value: ['/usr/lib/rkt/plugins/net'] },
      notes: [expect.stringContaining('rkt ended in 2020')],
    },
    {
      program: 'mesos-agent',
      confDir: { value: '/etc/cni/net.d', from: '/etc/mesos-slave/network_cni_config_dir' },
      binDirs: { value: ['/opt/cni/bin', '/opt/more'] },
      notes: [expect.stringContaining('Mesos ended in 2025')],
    },
  ])
  const running = folderWith({
    ...process1(6, '/usr/sbin/mesos-slave', '--network_cni_config_dir=/a'),
    'proc/6/environ': 'HOME=/\0MESOS_NETWORK_CNI_CONFIG_DIR=/not\0MESOS_NETWORK_CNI_PLUGINS_DIR=/b\0',
  })
  expect(findRuntimes(running)).toMatchObject([
    {
      pid: 6,
      confDir: { value: '/a', from: '--network_cni_config_dir' },
      binDirs: { value: ['/b'], from: 'MESOS_NETWORK_CNI_PLUGINS_DIR' },
    },
  ])
})

it('finds a process by the name of kubelet that really runs, with the flags of the seed', async () => {
  const folder = folderWith({ 'net.d/10-bridge.conf': seed, 'bin/bridge': '' })
  const flags = ['--network-plugin=cni', `--cni-conf-dir=${folder}/net.d`, '--cni-bin-dir', `${folder}/bin`]
  const child = spawn('sh', ['-c', 'echo ready; read line', 'sh', ...flags], { argv0: '/usr/bin/kubelet' })
  try {
    await once(child.stdout, 'data')
    const { stdout } = await cli(['cni', 'kubelet', '--json']) // its old name
    const document: unknown = JSON.parse(stdout)
    expect(document).toMatchObject({
      schema: 'cnilab/cni-kubelet/v1',
      runtimes: expect.arrayContaining([
        expect.objectContaining({
          program: 'kubelet',
          pid: child.pid,
          confDir: { value: `${folder}/net.d`, from: '--cni-conf-dir' },
          binDirs: { value: [`${folder}/bin`], from: '--cni-bin-dir' },
          configurations: [{ folder: `${folder}/net.d`, names: ['10-bridge.conf'] }],
          plugins: [{ folder: `${folder}/bin`, names: ['bridge'] }],
        }),
      ]),
    })
    const text = await cli(['cni', 'runtimes'])
    expect(text.stdout).toContain(`kubelet runs with pid ${child.pid}`)
    expect(text.stdout).toContain('it is older than Kubernetes 1.24')
    expect(text.stdout).toContain(
      `\n  $ cnilab cni configs --conf-dir ${folder}/net.d\n  $ cnilab cni plugins --bin-dir ${folder}/bin\n`,
    )
  } finally {
    child.stdin.end('\n')
    await once(child, 'close')
  }
})

it('reads the files that a process sees, where it has other ones than we', async () => {
  const inside = `mount -t tmpfs none /mnt
printf '[plugins.cri.cni]\\nconf_dir = "/inside"\\n' >/mnt/c.toml
mkdir /mnt/bin; >/mnt/bin/bridge
printf 'bin_dir = "/mnt/bin"\\n' >>/mnt/c.toml
exec -a containerd sh -c 'echo ready; read line' sh --config /mnt/c.toml`
  const child = spawn('unshare', ['-Urm', 'bash', '-c', inside])
  try {
    await once(child.stdout, 'data')
    const { stdout } = await cli(['cni', 'runtimes'])
    expect(stdout).toContain(`containerd runs with pid ${child.pid}`)
    expect(stdout).toMatch(/configurations +\/inside \(\/mnt\/c\.toml\)\n +there is no such folder/)
    expect(stdout).toMatch(/plugins +\/mnt\/bin \(\/mnt\/c\.toml\)\n +bridge/)
  } finally {
    child.stdin.end('\n')
    await once(child, 'close')
  }
})
