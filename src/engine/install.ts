import { CnilabError } from '../errors.ts'
import { exec } from '../kernel/exec.ts'
import { MACHINE } from '../kernel/host.ts'
import { isInstalled } from '../kernel/environment.ts'
import { userId } from '../kernel/user.ts'
import { programLine } from '../plan/command-line.ts'

/** A package manager: its program, its commands to install packages, and its names for them. */
interface Manager {
  program: string
  install: (packages: readonly string[]) => string[][]
  names: Readonly<Record<Tool, string>>
}

/** The programs that cnilab needs from the system. */
const tools = ['ip', 'nft', 'ping', 'sysctl', 'unshare', 'nsenter', 'setpriv', 'flock', 'xargs', 'mount'] as const
type Tool = (typeof tools)[number]

const common = {
  ip: 'iproute2',
  nft: 'nftables',
  ping: 'iputils',
  sysctl: 'procps',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  flock: 'util-linux',
  xargs: 'findutils',
  mount: 'util-linux',
}

const managers: readonly Manager[] = [
  {
    program: 'apt-get',
    install: (packages) => [
      ['apt-get', 'update'],
      ['apt-get', 'install', '-y', ...packages],
    ],
    names: { ...common, ping: 'iputils-ping', mount: 'mount' },
  },
  {
    program: 'dnf',
    install: (packages) => [['dnf', 'install', '-y', ...packages]],
    names: { ...common, ip: 'iproute', sysctl: 'procps-ng' },
  },
  {
    program: 'apk',
    install: (packages) => [['apk', 'add', ...packages]],
    names: { ...common, setpriv: 'setpriv', flock: 'flock' },
  },
  {
    program: 'pacman',
    install: (packages) => [['pacman', '-S', '--needed', '--noconfirm', ...packages]],
    names: { ...common, sysctl: 'procps-ng' },
  },
  {
    program: 'zypper',
    install: (packages) => [['zypper', '--non-interactive', 'install', ...packages]],
    names: common,
  },
]

/** The programs that this machine lacks. */
export function missingTools(): Tool[] {
  return tools.filter((tool) => !isInstalled(tool))
}

/** The commands that install programs through the machine's own package manager; with sudo unless we are root. */
export function installCommands(missing: readonly Tool[]): string[][] {
  const manager = managers.find(({ program }) => isInstalled(program))
  if (!manager) return []
  const packages = [...new Set(missing.map((tool) => manager.names[tool]))]
  return manager.install(packages).map((argv) => (userId() === 0 ? argv : ['sudo', ...argv]))
}

/**
 * Installs what this machine lacks, after asking. `ask` gets the commands and returns whether to run them; `log` gets a
 * line for each. Throws CnilabError `machine` if it may not or cannot.
 */
export async function installMissing(
  ask: (commands: readonly string[]) => Promise<boolean>,
  log: (line: string) => void,
): Promise<void> {
  const missing = missingTools()
  if (missing.length === 0) return
  const commands = installCommands(missing)
  const lines = commands.map((argv) => programLine({ argv }))
  const refused = (message: string) =>
    new CnilabError('machine', message, {
      fix: lines.length === 0 ? 'install them with the package manager of this system' : lines.join(' && '),
    })
  if (commands.length === 0)
    throw refused(`this machine lacks ${missing.join(', ')}, and cnilab does not know its package manager`)
  if (!(await ask(lines))) throw refused(`this machine lacks ${missing.join(', ')}`)
  for (const [i, argv] of commands.entries()) {
    log(`$ ${lines[i] ?? ''}`)
    const status = await exec(MACHINE, undefined, argv, { output: 'stderr' })
    if (status !== 0) throw refused(`'${lines[i] ?? ''}' exited with status ${status}`)
  }
  const still = missingTools()
  if (still.length > 0) throw refused(`still missing after the installation: ${still.join(', ')}`)
}
