import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { type Attack, ATTACKS, PLACES } from './attacks.ts'

/** A folder that everybody may read, with the built program and the Node that runs it. */
const copy = mkdtempSync(join(tmpdir(), 'cnilab-inmate-'))
const root = join(import.meta.dirname, '..', '..')
for (const part of ['dist', 'labs', 'package.json', 'oclif.manifest.json'])
  cpSync(join(root, part), join(copy, part), { recursive: true, dereference: true })
const node = join(copy, 'node')
try {
  linkSync(process.execPath, node)
} catch {
  cpSync(process.execPath, node) // on another file system
}
spawnSync('chmod', ['-R', 'a+rX', copy])
afterAll(() => rmSync(copy, { recursive: true, force: true }))

/** The user ids to try: whoever runs the tests, and for root an ordinary user, too. */
export const users = process.getuid?.() === 0 ? [0, 4321] : [process.getuid?.() ?? 0]

const everyWhere = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** A user of the machine who runs programs in sandboxes, with a home of their own. */
export class Victim {
  readonly home: string
  /** What the user has that an attacker would look for, by the names of the variables in attacks. */
  readonly possessions: Record<string, string> = {}
  readonly #as: readonly string[]
  readonly #meanwhile: ChildProcess[] = []
  readonly #folders: string[] = []

  constructor(uid: number) {
    this.home = mkdtempSync(join(tmpdir(), 'cnilab-home-'))
    chownSync(this.home, uid, uid)
    chmodSync(this.home, 0o700)
    const as = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
    const env = [
      'env',
      '-i',
      everyWhere,
      `HOME=${this.home}`,
      `XDG_RUNTIME_DIR=${this.home}`,
      'NO_COLOR=1',
      'TERM=xterm',
    ]
    this.#as = [...(process.getuid?.() === uid ? [] : as), ...env, 'SECRET=planted-in-the-environment']
  }

  /** Runs a program as the user. */
  run(argv: readonly string[], input = '') {
    const [file = '', ...rest] = [...this.#as, ...argv]
    return spawnSync(file, rest, { input, encoding: 'utf8', cwd: '/', timeout: 120_000, maxBuffer: 1e8 })
  }

  /** Runs cnilab as the user. */
  cli(args: readonly string[], input = '') {
    return this.run([node, join(copy, 'dist/src/cnilab.js'), ...args], input)
  }

  /** The same on a terminal, on which something is typed. */
  onTerminal(args: string, typed = '') {
    const words = `stty cols 200 -echo; exec ${node} ${copy}/dist/src/cnilab.js ${args}`
    return this.run(['script', '-qec', words, '/dev/null'], typed)
  }

  /** Starts a program of the user's, and returns the first line that it prints. */
  async #start(argv: readonly string[]): Promise<{ line: string; pid: number }> {
    const [file = '', ...rest] = [...this.#as, ...argv]
    const child = spawn(file, rest, { cwd: '/', stdio: ['pipe', 'pipe', 'inherit'] })
    this.#meanwhile.push(child)
    const line = await new Promise<string>((resolve) =>
      child.stdout.once('data', (text: Buffer) => resolve(text.toString().trim())),
    )
    return { line, pid: child.pid ?? 0 }
  }

  /** Puts files, sockets and pipes where programs keep such, and starts a program and a terminal of the user's. */
  async settle(): Promise<void> {
    const name = `cnilab-planted-${process.pid}-${Math.random().toString(36).slice(2)}`
    for (const place of PLACES) {
      const folder = join(place.replace('$MACHINE_HOME', this.home), name)
      this.#folders.push(folder)
      mkdirSync(folder)
      writeFileSync(join(folder, 'file'), 'secret')
      writeFileSync(join(folder, 'writable'), '')
      spawnSync('mkfifo', [join(folder, 'pipe')])
      spawnSync('chmod', ['-R', 'a+rwX', folder]) // also for whom root's sandbox belongs to
    }
    const listen = `process.umask(0)
      const on = (...where) => new Promise((done) => {
        const server = require('node:net').createServer((socket) => socket.destroy()).listen(...where, () => done(server))
      })
      Promise.all([on(0, '127.0.0.1'), on('\\0${name}'), ...${JSON.stringify(this.#folders)}.map((folder) => on(folder + '/socket'))])
        .then(([tcp]) => console.log(tcp.address().port))`
    const server = await this.#start([node, '-e', listen, 'cnilab-planted'])
    const terminal = await this.#start(['script', '-qec', 'tty; exec sleep 1000', '/dev/null'])
    const links = spawnSync('ip', ['-o', 'link', 'show'], { encoding: 'utf8' }).stdout
    Object.assign(this.possessions, {
      MACHINE_HOME: this.home,
      PLANT: name,
      PORT: server.line,
      CLONE: copy,
      MACHINE_PID: String(server.pid),
      MACHINE_NET: spawnSync('readlink', ['/proc/self/ns/net'], { encoding: 'utf8' }).stdout.trim(),
      MACHINE_LINK: /^\d+: ((?!lo\b|eth0\b)[^:@]+)/m.exec(links)?.[1] ?? '',
      USERS_TTY: terminal.line,
      TTY_FILE_SYSTEM: String(statSync(terminal.line).dev),
    })
  }

  /** Removes all that the user has. */
  leave(): void {
    this.cli(['clean'])
    for (const child of this.#meanwhile) child.kill('SIGKILL')
    for (const folder of [...this.#folders, this.home]) rmSync(folder, { recursive: true, force: true })
  }

  /** Attacks as one program that tells of each how it went, for `outcomes`. */
  programOf(attacks: readonly Attack[]): string {
    // Not as variables of the environment, which is looked at, too.
    const filled = (run: string) =>
      run.replaceAll(/\$([A-Z_]+)\b/g, (all, name: string) => this.possessions[name] ?? all)
    return attacks
      .map(
        (attack) => `attack=$(cat <<'END_OF_ATTACK'
${filled(attack.run)}
END_OF_ATTACK
)
timeout 5 sh -c "$attack" >/dev/null 2>&1; echo "attack ${ATTACKS.indexOf(attack)}: $?"
`,
      )
      .join('')
  }

  /** A lab's file whose commands are the attacks, a few in each, for each has its time. */
  labOf(attacks: readonly Attack[]): string {
    const size = 12
    const groups = Array.from({ length: Math.ceil(attacks.length / size) }, (_, i) =>
      attacks.slice(i * size, (i + 1) * size),
    )
    const run = groups.map((group) => ({ argv: ['sh', '-c', this.programOf(group)] }))
    const step = { id: 'attack', title: 'Attack', text: 'x', operations: [{ netns: { name: 'red' } }], run }
    const file = join(this.home, 'attack.yaml')
    writeFileSync(file, JSON.stringify({ version: 1, id: 'attack', title: 'Attack', text: 'x', steps: [step] }), {
      mode: 0o644,
    })
    return file
  }
}

/** How each attack went, of all, by its exit status: 0 for one that did what it must not; undefined for one that was not heard of. */
export function outcomes({ stdout }: { stdout: string }): (number | undefined)[] {
  const told = new Map([...stdout.matchAll(/attack (\d+): (\d+)/g)].map(([, i, status]) => [Number(i), Number(status)]))
  return ATTACKS.map((_, i) => told.get(i))
}
