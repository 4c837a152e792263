/**
 * What a program in a sandbox must not be able to do. It is a piece of shell that exits with 0 where it can, and with
 * something else where it cannot. Its variables are those of `plant` (inmate.test.ts).
 */
export interface Attack {
  what: string
  run: string
  /**
   * Whether the user can do it on the machine itself, and harms nothing by it: then that is tried, too, so that the attack
   * is known to be one. All others may only ever be run in a sandbox.
   */
  outside: boolean
  /** Whether it is known to work in a container of the sandbox, as README says. */
  inContainers?: true
}

/** Folders of the machine in which the tests plant a file, a socket and a pipe that everybody may use. */
export const PLACES = ['$MACHINE_HOME', '/var/tmp', '/tmp', '/dev/shm'] as const

const can = (what: string, run: string): Attack => ({ what, run, outside: true })
const cannot = (what: string, run: string): Attack => ({ what, run, outside: false })

/** A system call by perl, which every Debian has; the words are perl's. x86-64's numbers, then those of newer architectures. */
const syscall = (number: number, generic: number, words: string) =>
  `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? ${number} : ${generic}; exit(syscall($n, ${words}) >= 0 ? 0 : 1)'`

const socket = (family: number, type: number, protocol = 0) => syscall(41, 198, `${family}, ${type}, ${protocol}`)

const files = PLACES.flatMap((place) => {
  const p = `${place}/$PLANT`
  return [
    can(`read a file of the machine in ${place}`, `grep -q secret ${p}/file`),
    can(`write a file of the machine in ${place}`, `echo broken >>${p}/writable`),
    can(
      `connect to a socket of the machine in ${place}`,
      `perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); exit(connect(S, sockaddr_un($ARGV[0])) ? 0 : 1)' ${p}/socket`,
    ),
    can(
      `open a pipe of the machine in ${place}`,
      `perl -MFcntl -e 'exit(sysopen(F, $ARGV[0], O_RDWR | O_NONBLOCK) ? 0 : 1)' ${p}/pipe`,
    ),
  ]
})

export const ATTACKS: readonly Attack[] = [
  ...files,
  // Files
  can('see the users of the machine', 'grep -q "$PLANT" /etc/passwd || [ "$(wc -l </etc/passwd)" -gt 3 ]'),
  can('see the name of the machine in /etc', '[ -s /etc/hostname ] || [ -s /etc/machine-id ] || [ -s /etc/fstab ]'),
  can('see the clone that the program lies in', '[ -e "$CLONE/package.json" ]'),
  cannot(
    'see more of the clone than the program',
    '[ -e /opt/cnilab/app/src ] || [ -e /opt/cnilab/app/.git ] || [ -e /opt/cnilab/app/node_modules ]',
  ),
  cannot('write to a folder of the system', 'echo x >/usr/cnilab-test || mkdir /usr/bin/cnilab-test'),
  cannot('make a folder of the system writable', 'mount -o remount,bind,rw /usr && echo x >/usr/cnilab-test'),
  cannot(
    'make it writable in one more user namespace',
    "unshare -Urm sh -c 'mount -o remount,bind,rw /usr && echo x >/usr/cnilab-test'",
  ),
  cannot('take a folder of the system away', 'umount -l /usr'),
  cannot('change the program', 'echo x >>/opt/cnilab/app/dist/src/cnilab.js || echo x >>/opt/cnilab/node'),
  cannot(
    'change what cnilab gives it',
    'echo x >>/opt/cnilab/given/sandbox.json || touch /opt/cnilab/given/x || mv /opt/cnilab/given /tmp/x',
  ),
  cannot('find something in its home', '[ -n "$(ls -A /root)" ] && ls -A /root | grep -qv "^.vim"'),
  cannot(
    'leave its root by ..',
    '[ -e "/../../..$CLONE/package.json" ] || [ -e /../old/etc ] || [ "$(stat -c %d:%i /..)" != "$(stat -c %d:%i /)" ]',
  ),
  cannot(
    'leave its root by chroot',
    `perl -e 'mkdir "/tmp/jail"; opendir(D, "/"); chroot "/tmp/jail" or exit 1; chdir D; chdir ".." for 1 .. 20; chroot "."; exit(-e "'"$CLONE"'/package.json" ? 0 : 1)'`,
  ),
  cannot(
    'leave its root by pivot_root',
    'unshare -m sh -c \'mkdir -p /tmp/n && mount -t tmpfs n /tmp/n && mkdir /tmp/n/old && cd /tmp/n && pivot_root . old && [ -e "old$CLONE/package.json" ]\'',
  ),
  cannot(
    'find another root in /proc',
    'for root in /proc/[0-9]*/root; do [ -e "$root$CLONE/package.json" ] && exit 0; done; exit 1',
  ),
  cannot(
    'find a folder of the machine in /proc',
    'for cwd in /proc/[0-9]*/cwd /proc/[0-9]*/fd/*; do [ -e "$cwd/..$CLONE/package.json" ] && exit 0; [ -e "$cwd/$PLANT" ] && exit 0; done; exit 1',
  ),
  cannot(
    'enter another folder by nsenter',
    'nsenter -t 1 -m --wd=. -- test -e "$CLONE/package.json" || nsenter -t 1 -r -m -- test -e "$CLONE/package.json"',
  ),
  cannot('see below a mount', 'mkdir -p /tmp/below; mount --bind / /tmp/below && [ -n "$(ls -A /tmp/below/proc)" ]'),
  cannot('uncover /proc', 'umount -l /proc'),
  cannot('uncover /sys', 'umount -l /sys'),
  cannot(
    "mount a file system that is the machine's",
    'for type in devtmpfs debugfs tracefs securityfs bpf pstore configfs efivarfs; do mkdir -p /tmp/m; mount -t $type x /tmp/m && exit 0; done; exit 1',
  ),
  cannot('make a device', 'mknod /tmp/disk b 254 0 || mknod /tmp/console c 5 1 || mknod /tmp/mem c 1 1'),
  cannot(
    'find a disk, a memory or a console',
    'for name in mem kmem port kvm vda sda nvme0n1 console tty0 tty1 ttyS0 vcs kmsg fuse vsock vhost-vsock net/tun loop-control; do [ -e /dev/$name ] && exit 0; done; exit 1',
  ),
  cannot(
    'open a file by its handle',
    syscall(304, 265, '-100, 0, 0') +
      ' || ! ' +
      `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 304 : 265; syscall($n, -100, 0, 0); exit($! == 1 ? 0 : 1)'`,
  ),

  // Terminals
  cannot(
    'type into a terminal',
    `perl -e 'my $c = "x"; for my $f (*STDIN, *STDOUT, *STDERR) { exit 0 if ioctl($f, 0x5412, $c) } open(T, "+<", "/dev/tty") and ioctl(T, 0x5412, $c) and exit 0; exit 1'`,
  ),
  cannot(
    'use a console to type',
    `perl -e 'my $c = "\\x03x"; for my $f (*STDIN, *STDOUT, *STDERR) { exit 0 if ioctl($f, 0x541c, $c) } exit 1'`,
  ),
  can(
    'open a terminal of the user',
    '[ -n "$USERS_TTY" ] && perl -MFcntl -e \'my @s = stat $ARGV[0] or exit 1; exit($s[0] == $ARGV[1] ? 0 : 1)\' "$USERS_TTY" "$TTY_FILE_SYSTEM"',
  ),
  cannot(
    'hold a descriptor of something of the machine',
    `for fd in /proc/[0-9]*/fd/*; do
    case $(readlink "$fd") in "" | pipe:* | socket:* | anon_inode:* | /dev/null | /dev/urandom | /dev/pts/* | /dev/tty | /opt/cnilab/* | /proc/* | /proc | inotify | "/tmp/"* | "/ (deleted)" | /usr/* | net:*) ;; *) readlink "$fd"; exit 0 ;; esac
  done; exit 1`,
  ),

  // Keys and environment
  cannot('read the keys of the session', syscall(250, 219, '0, -3, 0, 0, 0')),
  cannot(
    'add a key',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 248 : 217; my ($t, $d, $p) = ("user", "cnilab-test", "x"); exit(syscall($n, $t, $d, $p, 1, -4) >= 0 ? 0 : 1)'`,
  ),
  cannot(
    'ask for a key',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 249 : 218; my ($t, $d) = ("user", "cnilab-test"); syscall($n, $t, $d, 0, -4); exit($! == 1 ? 1 : 0)'`,
  ),
  cannot('see keys in /proc', '[ -s /proc/keys ] || [ -n "$(cat /proc/keys)" ]'),
  can(
    'read a secret in the environment',
    "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -q planted-in-the-environment",
  ),
  can(
    'learn the folders of the user from the environment',
    "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -q \"$MACHINE_HOME\"",
  ),

  // Processes and namespaces
  can(
    'see a process of the machine',
    '[ -e /proc/$MACHINE_PID ] && grep -qs cnilab-planted /proc/$MACHINE_PID/cmdline',
  ),
  cannot('see how many processes the machine has', '[ "$(ls /proc | grep -c "^[0-9]*$")" -gt 40 ]'),
  can(
    'signal a process of the machine',
    'kill -0 $MACHINE_PID 2>/dev/null && grep -qs cnilab-planted /proc/$MACHINE_PID/cmdline',
  ),
  cannot(
    'trace a process of the machine',
    'grep -qs cnilab-planted /proc/$MACHINE_PID/cmdline && ' + syscall(101, 117, '16, $MACHINE_PID, 0, 0'),
  ),
  can('enter the network of the machine', '[ "$(readlink /proc/$MACHINE_PID/ns/net)" = "$MACHINE_NET" ]'),
  cannot('trace process 1', syscall(101, 117, '16, 1, 0, 0') + ' || ' + syscall(101, 117, '0x4206, 1, 0, 0')),
  cannot(
    'read or write the memory of process 1',
    `mkdir -p /tmp/p /tmp/q; mount --bind /proc/1 /tmp/p; mount --bind /proc/1/task/1 /tmp/q
    for file in /proc/1/mem /proc/1/task/1/mem /tmp/p/mem /tmp/q/mem; do
      perl -e 'open(A, "/proc/1/maps") && <A> =~ /^([0-9a-f]+)/ or exit 1; open(M, "+<", $ARGV[0]) or exit 1; sysseek(M, hex $1, 0); exit(sysread(M, my $b, 8) ? 0 : 1)' $file && exit 0
    done; exit 1`,
  ),
  cannot(
    'write there by a system call',
    `perl -e 'open(A, "/proc/1/maps"); my ($at) = grep { / rw-p / } <A>; $at =~ /^([0-9a-f]+)/ or exit 1; $at = hex $1; my $n = \`uname -m\` =~ /x86_64/ ? 310 : 270; my $b = "\\0" x 8; my $l = pack("pQ", $b, 8); my $r = pack("QQ", $at, 8); exit 1 if syscall($n, 1, $l, 1, $r, 1, 0) < 0; exit(syscall($n + 1, 1, $l, 1, $r, 1, 0) > 0 ? 0 : 1)'`,
  ),
  cannot(
    'reach the namespaces around its own',
    `perl -e 'for my $ns ("user", "pid") { for my $get (0xb701, 0xb702) { open(N, "<", "/proc/self/ns/$ns") or next; my $fd = ioctl(N, $get, 0) or next; my $link = readlink("/proc/self/fd/" . int($fd)); print "$link\\n"; exit 0 if $link ne readlink("/proc/self/ns/user") && $link ne readlink("/proc/self/ns/pid") } } exit 1'`,
  ),
  cannot('make a cgroup namespace', 'unshare -C true'),
  cannot('make one after raising the limit', 'echo 100 >/proc/sys/user/max_cgroup_namespaces; unshare -UrC true'),
  cannot('mount the cgroups', 'mkdir -p /tmp/c; mount -t cgroup2 c /tmp/c || mount -t cgroup -o pids c /tmp/c'),
  cannot('gain rights by a set-user-ID program', '! grep -q "^NoNewPrivs:.1" /proc/self/status'),
  cannot('run without the filter of system calls', '! grep -q "^Seccomp:.2" /proc/self/status'),
  cannot(
    'find a process without it',
    'for status in /proc/[0-9]*/status; do grep -q "^Seccomp:.[01]" $status 2>/dev/null && cat $status && exit 0; done; exit 1',
  ),

  // System calls that reach past namespaces
  cannot('open a socket to the hypervisor', socket(40, 1)),
  cannot("open a socket of the kernel's cryptography", socket(38, 5)),
  cannot(
    'open one by another entry of the kernel',
    `[ "$(uname -m)" = x86_64 ] && perl -e 'exit(syscall(0x40000000 + 41, 40, 1, 0) >= 0 ? 0 : 1)'`,
  ),
  cannot('make a ring', syscall(425, 425, '1, my $p = "\\0" x 120')),
  cannot(
    'load a program into the kernel',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 321 : 280; syscall($n, 0, my $a = pack("L4", 2, 4, 4, 1) . "\\0" x 100, 72); exit($! == 1 ? 1 : 0)'`,
  ),
  cannot(
    'watch the files of the machine',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 300 : 262; exit(syscall($n, 0x200, 0) >= 0 ? 0 : 1)'`,
  ),
  cannot(
    'count what the machine does',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 298 : 241; syscall($n, my $a = pack("LLQ", 1, 120, 0) . "\\0" x 120, 0, -1, -1, 0); exit($! == 1 ? 1 : 0)'`,
  ),
  cannot('hold up whoever reads its memory', syscall(323, 282, '1')),
  cannot('read the log of the kernel', syscall(103, 116, '10, 0, 0')),
  cannot(
    'load or remove a module',
    syscall(175, 105, 'my $i = "x", 1, my $a = ""') + ' || ' + syscall(176, 106, 'my $m = "bridge", 0'),
  ),
  cannot(
    'set the clock',
    `perl -e 'my $n = \`uname -m\` =~ /x86_64/ ? 164 : 170; exit(syscall($n, my $t = pack("qq", time, 0), 0) >= 0 ? 0 : 1)'`,
  ),
  cannot('rename the machine', 'hostname "$(hostname)-x" 2>/dev/null || echo x >/proc/sys/kernel/hostname'),
  cannot(
    'raise its limits',
    'prlimit --nofile=9999:99999 true || prlimit --data=unlimited true || prlimit --core=unlimited true',
  ),
  cannot('be scheduled before the machine', 'chrt -f 50 true || nice -n -5 sh -c \'[ "$(nice)" -lt 0 ]\''),

  // Settings
  cannot(
    'change a setting of the machine',
    'echo 1 >/proc/sys/kernel/panic || echo 0 >/proc/sys/kernel/randomize_va_space || echo 1 >/proc/sys/vm/drop_caches || echo x >/proc/sysrq-trigger',
  ),
  {
    ...cannot(
      'change a setting that all network namespaces share',
      '[ -e /proc/sys/net/netfilter/nf_hooks_lwtunnel ] && echo 1 >/proc/sys/net/netfilter/nf_hooks_lwtunnel',
    ),
    inContainers: true,
  },
  cannot(
    'write to /sys',
    'echo 1 >/sys/kernel/mm/ksm/run || echo mem >/sys/power/state || echo 0 >/sys/devices/system/cpu/cpu1/online',
  ),

  // Networks
  can(
    'reach a program of the machine by an abstract socket',
    `perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); exit(connect(S, pack("Sa*", 1, "\\0$ARGV[0]")) ? 0 : 1)' "$PLANT"`,
  ),
  can(
    'reach a program of the machine on 127.0.0.1',
    `perl -MSocket -e 'alarm 2; socket(S, PF_INET, SOCK_STREAM, 0); exit(connect(S, sockaddr_in($ARGV[0], inet_aton("127.0.0.1"))) ? 0 : 1)' $PORT`,
  ),
  can('see the links of the machine', 'ip -o link show | grep -q "$MACHINE_LINK"'),
  can('see the links of the machine in /sys', 'ls /sys/class/net | grep -qx "$MACHINE_LINK"'),
]
