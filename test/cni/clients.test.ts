// Proven with clients we did not write: they call our plugins for containers of their own.
import { spawnSync } from 'node:child_process'
import { describe, expect, it, type TestContext } from 'vitest'
import { program, type Run } from '../helpers.ts'
import { callCri } from './cri.ts'
import { type Machine, noBusybox, noMachine, withMachine } from './machine.ts'

const missing = noMachine ?? noBusybox

/** Why these programs cannot be tried here; undefined if they can. */
function without(...programs: readonly string[]): string | undefined {
  const absent = programs.find((one) => spawnSync(one, ['--version']).status !== 0)
  return missing ?? (absent === undefined ? undefined : `${absent} is not installed`)
}

const WEB = '10.77.0.2'
const CLIENT = '10.77.0.3'
const HOST = '203.0.113.1'
const INTERNET = '203.0.113.2'

const ASK = '/bin/wget -qO-'
const SERVE = ['/bin/httpd', '-f', '-p', '0.0.0.0:80', '-h', '/www']

/** What the second container tries, and what it is to print. */
const TRY = `
ip route | cut -d' ' -f1-3
ping -c 1 -W 2 ${WEB} | grep -c 'bytes from'
ping -c 1 -W 2 ${INTERNET} | grep -c 'bytes from'
for server in ${WEB} ${INTERNET}; do timeout 3 ${ASK} http://$server/cgi-bin/who; done
timeout 3 ${ASK} http://${HOST}:8080/cgi-bin/who >/dev/null && echo published
`
// The internet sees the host's address, and the other container the client's own.
const TRIED = ['default via 10.77.0.1', '10.77.0.0/24 dev eth0', '1', '1', CLIENT, HOST, 'published']

function network(published: object): string {
  const ipam = { type: 'host-local', subnet: '10.77.0.0/24' }
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      { type: 'bridge', bridge: 'cni0', isDefaultGateway: true, ipMasq: true, ipam },
      { type: 'portmap', capabilities: { portMappings: true }, ...published },
    ],
  })
}

const setNetwork = async ({ run }: Machine, published = {}) => {
  await run(['tee', '/etc/cni/net.d/10-lab.conflist'], network(published))
}

/** Waits for the web server behind the published port, and asks it from the host and from the internet. */
async function askFromOutside({ shell }: Machine): Promise<void> {
  const ask = (server: string) => `timeout 3 chroot /run/root ${ASK} http://${server}/cgi-bin/who`
  const until = `for i in $(seq 50); do ${ask(WEB)} 2>/dev/null && break; sleep 0.1; done`
  expect(await shell(until)).toMatchObject({ stdout: '10.77.0.1\n' })
  // From the host itself the sender is the host, by the address of the bridge.
  for (const server of [HOST, '127.0.0.1'])
    expect.soft(await shell(ask(`${server}:8080`)), server).toMatchObject({ code: 0, stderr: '' })
  const internet = await shell(`nsenter --net=/run/netns/internet ${ask(`${HOST}:8080`)}`)
  expect.soft(internet, 'from the internet').toEqual({ code: 0, stdout: `${INTERNET}\n`, stderr: '' })
}

/** The lines after a change, once they are those from before it, or as they are after five seconds. */
async function settled({ snapshot }: Machine, before: readonly string[]): Promise<string[]> {
  const end = Date.now() + 5000
  for (;;) {
    const now = await snapshot()
    if (now.join() === before.join() || Date.now() > end) return now
  }
}

/** A client may be installed and still not work here, by cgroups for example: that has nothing to do with networks. */
function skipUnless(context: TestContext, client: string, { code, stderr }: Run): void {
  if (code !== 0 && /runc|cgroup|not permitted|read-only|not enabled/i.test(stderr))
    context.skip(`${client} cannot start a container here, even without a network: ${stderr.trim()}`)
  expect(stderr).toBe('')
}

/** Runs the built program on this machine. */
function cnilab({ run }: Machine, ...argv: readonly string[]): Promise<Run> {
  const env = ['NO_COLOR=1', 'XDG_CACHE_HOME=/run/cache', 'XDG_RUNTIME_DIR=/run']
  return run(['env', ...env, process.execPath, program, ...argv])
}

/** Starts containerd on this machine; returns what ends it. */
async function startContainerd({ run, shell }: Machine, config: string): Promise<() => Promise<void>> {
  await run(['tee', '/run/containerd.toml'], `version = 2\n${config}`)
  const daemon = run(['containerd', '--config', '/run/containerd.toml'])
  await shell('for i in $(seq 100); do ctr version && break; sleep 0.1; done')
  return async () => {
    await shell('kill $(pidof containerd)')
    await daemon
  }
}

/** Starts a container with containerd's own tool. */
function ctr({ run, cgroup }: Machine, name: string, options: readonly string[], argv: readonly string[]) {
  const always = ['--rm', '--cgroup', `/${cgroup}/${name}`, '--rootfs']
  return run(['ctr', 'run', ...always, ...options, '/run/root', name, ...argv])
}

/** An image of the root file system, which serves what is in it. */
const IMAGE = `
set -e
mkdir /run/image
cd /run/image
tar -C /run/root -cf layer.tar .
sum=$(sha256sum layer.tar | cut -d' ' -f1)
cat >config.json <<END
{"architecture": "${process.arch === 'x64' ? 'amd64' : process.arch}", "os": "linux",
 "config": {"Entrypoint": ${JSON.stringify(SERVE)}}, "rootfs": {"type": "layers", "diff_ids": ["sha256:$sum"]}}
END
echo '[{"Config": "config.json", "RepoTags": ["localhost/web:1"], "Layers": ["layer.tar"]}]' >manifest.json
tar -cf image.tar config.json manifest.json layer.tar
ctr --namespace k8s.io images import --snapshotter native image.tar
`

/** The labels by which a kubelet marks a pod. */
const LABELS = { 'io.kubernetes.pod.name': 'web', 'io.kubernetes.pod.namespace': 'shop' }

/** Not every root may lower its oom_score_adj, as a pod's would have to be. */
const CRI = `[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/web:1"
restrict_oom_score_adj = true
containerd = { snapshotter = "native" }
`

const noContainerd = without('containerd', 'runc')
describe.skipIf(noContainerd)(`containerd (${noContainerd ?? 'installed'})`, () => {
  it('starts containers on our plugins, which reach each other and the internet, and leave nothing', (context) =>
    withMachine(async (machine) => {
      const clean = await machine.snapshot()
      const stop = await startContainerd(machine, 'disabled_plugins = ["io.containerd.grpc.v1.cri"]')
      const before = await machine.snapshot()
      skipUnless(context, 'containerd', await ctr(machine, 'probe', ['--net-host'], ['/bin/true']))

      // ctr has no option for ports: the configuration of that moment publishes one.
      await setNetwork(machine, {
        runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
      })
      const web = ctr(machine, 'web', ['--cni'], SERVE)
      await askFromOutside(machine)
      await setNetwork(machine)
      const client = await ctr(machine, 'client', ['--cni'], ['/bin/sh', '-c', TRY])
      expect.soft(client).toEqual({ code: 0, stdout: `${TRIED.join('\n')}\n`, stderr: '' })
      const { stderr } = await cnilab(machine, 'bridge', 'check', 'nobody', 'web', '--host')
      expect.soft(stderr).toMatch(/^web is the containerd container web \(namespace default\): \/proc\/\d+\/ns\/net\n/)

      expect(await machine.snapshot()).not.toEqual(before)
      await machine.run(['ctr', 'task', 'kill', '--signal', 'SIGKILL', 'web'])
      expect((await web).stderr).toBe('')
      expect(await settled(machine, before)).toEqual(before)
      await stop()
      expect(await settled(machine, clean)).toEqual(clean)
    }))

  it('gives a pod its network and a port when Kubernetes asks, and takes them away', (context) =>
    withMachine(async (machine) => {
      await setNetwork(machine)
      const stop = await startContainerd(machine, CRI)
      const before = await machine.snapshot()
      skipUnless(context, 'containerd', await ctr(machine, 'probe', ['--net-host'], ['/bin/true']))
      expect(await machine.shell(IMAGE)).toMatchObject({ code: 0 })
      const call = (method: string, ...fields: Parameters<typeof callCri>[2]) =>
        callCri(machine.file('/run/containerd/containerd.sock'), method, fields)

      // PodSandboxConfig: metadata (name, uid, namespace), a port mapping (container's and host's), labels, the cgroup.
      const answer = await call('RunPodSandbox', [
        1,
        [
          [
            1,
            [
              [1, 'web'],
              [2, 'uid-of-web'],
              [3, 'shop'],
            ],
          ],
          [
            5,
            [
              [2, 80],
              [3, 8080],
            ],
          ],
          ...Object.entries(LABELS).map(([key, value]) => {
            const entry = [
              [1, key],
              [2, value],
            ] as const
            return [6, entry] as const
          }),
          [8, [[1, `/${machine.cgroup}`]]],
        ],
      ])
      await askFromOutside(machine)
      const { stdout } = await machine.shell('cat /var/lib/cni/results/lab-*')
      for (const arg of ['"K8S_POD_NAMESPACE","shop"', '"K8S_POD_NAME","web"', '"K8S_POD_INFRA_CONTAINER_ID",'])
        expect.soft(stdout).toContain(arg)
      const client = await ctr(machine, 'client', ['--cni'], ['/bin/sh', '-c', TRY])
      expect.soft(client).toEqual({ code: 0, stdout: `${TRIED.join('\n')}\n`, stderr: '' })

      const id = answer.subarray(2).toString() // PodSandboxStatus: the id is the first field
      const short = id.slice(0, 12)
      for (const name of ['web', short]) {
        const { stderr } = await cnilab(machine, 'bridge', 'check', 'nobody', name, '--host')
        expect
          .soft(stderr)
          .toMatch(new RegExp(`^${name} is the containerd container ${short} \\(pod shop/web\\): /var/run/netns/cni-`))
      }

      expect(await machine.snapshot()).not.toEqual(before)
      for (const method of ['StopPodSandbox', 'RemovePodSandbox']) await call(method, [1, id])
      expect(await settled(machine, before)).toEqual(before)
      await stop()
    }))
})

const noPodman = without('podman')
describe.skipIf(noPodman)(`podman with its CNI backend (${noPodman ?? 'installed'})`, () => {
  // Debian's own would find the reference plugins in /usr/lib/cni first.
  const CONFIG = '[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["/opt/cni/bin"]\n'
  const STORAGE =
    '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n'
  const OPTIONS = ['--network-backend', 'cni', '--cgroup-manager', 'cgroupfs', '--storage-driver', 'vfs']

  /** Podman on this machine, and `start` for `podman run`. Skips the test where it cannot start a container. */
  async function podmanOn({ run, cgroup }: Machine, context: TestContext) {
    await run(['tee', '/run/containers.conf'], CONFIG)
    const podman = (...argv: readonly string[]) =>
      run(['env', 'CONTAINERS_CONF=/run/containers.conf', 'podman', ...OPTIONS, '--events-backend', 'none', ...argv])
    const limits = ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024', '--cgroup-parent', `/${cgroup}`]
    const start = (options: readonly string[], argv: readonly string[]) =>
      podman('run', ...limits, ...options, '--rootfs', '/run/root', ...argv)
    skipUnless(context, 'podman', await start(['--rm', '--network', 'none'], ['/bin/true']))
    return { podman, start }
  }

  it('starts containers on our plugins, which reach each other and the internet, and leave nothing', (context) =>
    withMachine(async (machine) => {
      const before = await machine.snapshot()
      const { podman, start } = await podmanOn(machine, context)
      await setNetwork(machine)

      const web = await start(['--detach', '--name', 'web', '--network', 'lab', '--publish', '8080:80'], SERVE)
      expect(web).toMatchObject({ code: 0, stderr: '' })
      await askFromOutside(machine)
      const client = await start(['--rm', '--network', 'lab'], ['/bin/sh', '-c', TRY])
      expect.soft(client).toEqual({ code: 0, stdout: `${TRIED.join('\n')}\n`, stderr: '' })

      expect(await machine.snapshot()).not.toEqual(before)
      await podman('rm', '--force', '--time', '0', 'web')
      expect(await settled(machine, before)).toEqual(before)
    }))

  it('has containers that bridge add finds by name, and connects', (context) =>
    withMachine(async (machine) => {
      await machine.run(['mkdir', '-p', '/etc/containers'])
      await machine.run(['tee', '/etc/containers/storage.conf'], STORAGE)
      const { podman, start } = await podmanOn(machine, context)
      const before = await machine.snapshot()
      expect(await start(['--detach', '--name', 'web', '--network', 'none'], SERVE)).toMatchObject({ code: 0 })
      const added = await cnilab(machine, 'bridge', 'add', 'web', '--host')
      expect(added.stderr).toMatch(/^web is the podman container web \([0-9a-f]{12}\): \/\S+\n$/)
      expect(added.code).toBe(0)
      expect(await podman('exec', 'web', '/bin/ping', '-c1', '-W2', INTERNET)).toMatchObject({ code: 0 })
      await podman('rm', '--force', '--time', '0', 'web')
      expect(await cnilab(machine, 'bridge', 'del', 'web', '--host')).toMatchObject({ code: 0 })
      expect(await settled(machine, before)).toEqual(before)
    }))

  it('uses them in the network that it makes by itself, with firewall and tuning', (context) =>
    withMachine(async (machine) => {
      const before = await machine.snapshot()
      const { podman, start } = await podmanOn(machine, context)
      const subnets = ['--subnet', '10.77.0.0/24', '--ipv6', '--subnet', 'fd00:77::/64']
      expect(await podman('network', 'create', ...subnets, 'made')).toMatchObject({ code: 0 })

      const web = await start(['--detach', '--name', 'web', '--network', 'made', '--publish', '8080:80'], SERVE)
      expect(web).toMatchObject({ code: 0, stderr: '' })
      await askFromOutside(machine)
      // Podman's configuration has "hairpinMode" for this: where bridged packets pass iptables, it is needed.
      const own = `timeout 3 ${ASK} http://${HOST}:8080/cgi-bin/who`
      expect.soft(await podman('exec', 'web', '/bin/sh', '-c', own), own).toMatchObject({ code: 0, stderr: '' })
      const script = `ip address show dev eth0 | grep -o -e 'ether [^ ]*' -e 'inet6* [^ ]*/[26]4 scope global'
        ping -c 1 -W 2 ${WEB} | grep -c 'bytes from'
        ping -c 1 -W 2 fd00:77::2 | grep -c 'bytes from'`
      const asked = ['--network', 'made:ip=10.77.0.77,mac=02:00:00:00:00:77']
      expect((await start(['--rm', ...asked], ['/bin/sh', '-c', script])).stdout.split('\n')).toEqual([
        'ether 02:00:00:00:00:77',
        'inet 10.77.0.77/24 scope global',
        'inet6 fd00:77::3/64 scope global',
        '1',
        '1',
        '',
      ])

      expect(await machine.snapshot()).not.toEqual(before)
      await podman('rm', '--force', '--time', '0', 'web')
      // The bridge goes with the network; the numbers of the last addresses stay.
      expect(await podman('network', 'rm', 'made')).toMatchObject({ code: 0 })
      expect(await settled(machine, before)).toEqual(before)
    }))
})

const noDocker = without('docker', 'dockerd', 'runc')
describe.skipIf(noDocker)(`Docker, which uses no CNI (${noDocker ?? 'installed'})`, () => {
  const DAEMON =
    '--data-root /run/data --exec-root /run/docker --pidfile /run/dockerd.pid --iptables=false --bridge=none --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs'

  it('has containers that bridge add finds by name, id and process, and connects; it refuses what has the network of the host', (context) =>
    withMachine(async (machine) => {
      const { run, shell, cgroup } = machine
      await shell(`dockerd ${DAEMON} --cgroup-parent /${cgroup} >/run/dockerd.log 2>&1 &`)
      await shell('for i in $(seq 200); do docker version && break; sleep 0.1; done')
      expect(await shell('tar -C /run/root -c . | docker import - web')).toMatchObject({ code: 0 })
      const serve = (port: number) => ['/bin/httpd', '-f', '-p', String(port), '-h', '/www']
      const start = (name: string, where: string, port: number) =>
        run(['docker', 'run', '--detach', '--name', name, '--network', where, 'web', ...serve(port)])
      await start('onhost', 'host', 81) // the first one: Docker keeps the host's namespace mounted after that
      const before = await machine.snapshot()
      const started = await start('web', 'none', 80)
      skipUnless(context, 'Docker', started)
      const id = started.stdout.slice(0, 12)
      await start('pal', 'container:web', 82)
      await run(['docker', 'create', '--name', 'idle', 'web', ...serve(83)])
      const bridge = (...argv: string[]) => cnilab(machine, 'bridge', ...argv)

      expect(await bridge('add', 'web', '--host')).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(new RegExp(`^web is the Docker container web \\(${id}\\): /run/docker/netns/`)),
      })
      const ping = await run(['docker', 'exec', 'web', '/bin/ping', '-c1', '-W2', INTERNET])
      expect(ping).toMatchObject({ code: 0, stderr: '' })
      expect(await bridge('check', 'web', id, '--host')).toMatchObject({ code: 0 })
      // The same namespace by a container that shares it, and by a process.
      const twice = await bridge('add', 'other', 'pal', '--host')
      expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('cnilab bridge del web ') })

      const refusals: readonly [string, string][] = [
        ['add onhost --host', 'onhost ('],
        ['add web /proc/1/ns/net --host', 'has the network namespace of the host itself'],
        ['add web idle --host', 'docker start idle'],
        ['add web nothere --host', "docker inspect -f '{{.State.Pid}}' nothere"],
        ['add web', 'this machine has the Docker container web'],
      ]
      for (const [argv, words] of refusals)
        expect
          .soft(await bridge(...argv.split(' ')), argv)
          .toMatchObject({ code: 1, stderr: expect.stringContaining(words) })
      await run(['ip', 'netns', 'add', 'web'])
      const several = await bridge('add', 'other', 'web', '--host')
      expect(several).toMatchObject({ code: 2, stderr: expect.stringContaining('/run/netns/web --host') })
      await run(['ip', 'netns', 'delete', 'web'])

      await cnilab(machine, 'clean')
      await run(['docker', 'rm', '--force', 'pal', 'idle'])
      await run(['docker', 'restart', '-t', '0', 'web'])
      const anew = await bridge('add', 'web', '--host')
      expect(anew).toMatchObject({ code: 1, stderr: expect.stringMatching(/cnilab bridge del web \S+ --host removes/) })
      await run(['docker', 'rm', '--force', 'web'])
      expect(await bridge('del', 'web', '--host')).toMatchObject({ code: 0 })
      expect(await settled(machine, before)).toEqual(before)
      await shell('kill $(cat /run/dockerd.pid); while [ -e /run/dockerd.pid ]; do sleep 0.1; done')
    }))
})
