/**
 * System calls that bypass every namespace of a sandbox, or this very filter, by their numbers on x86-64 and in the table
 * that newer architectures share. An unprivileged user may use all of them if the machine is set up that way.
 */
const DENIED: Readonly<Record<string, readonly [number, number]>> = {
  // The keyrings of the user, and of the session in which cnilab was started.
  add_key: [248, 217],
  request_key: [249, 218],
  keyctl: [250, 219],
  // Would open sockets without the system call that is filtered below. (A ring that Node already has keeps working.)
  io_uring_setup: [425, 425],
  // The kernel's log and counters are the machine's.
  syslog: [103, 116],
  perf_event_open: [298, 241],
  bpf: [321, 280],
  fanotify_init: [300, 262],
  // Opens a file without its path, and so past the mounts that hide it.
  open_by_handle_at: [304, 265],
  // Lets a program stall any process that reads its memory.
  userfaultfd: [323, 282],
}

/** The families of sockets that belong to a network namespace; AF_VSOCK, for one, reaches the hypervisor. */
const FAMILIES = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17, AF_XDP: 44 }

/** Requests that type into a terminal: tty_ioctl(4), ioctl_console(2). */
const TYPING = { TIOCSTI: 0x5412, TIOCLINUX: 0x541c }

/** An architecture's AUDIT_ARCH_… (linux/audit.h), its column in DENIED, and the numbers of some calls. */
interface Architecture {
  audit: number
  column: 0 | 1
  socket: number
  ioctl: number
  ptrace: number
  process_vm_writev: number
}
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: { audit: 0xc000003e, column: 0, socket: 41, ioctl: 16, ptrace: 101, process_vm_writev: 311 },
  arm64: { audit: 0xc00000b7, column: 1, socket: 198, ioctl: 29, ptrace: 117, process_vm_writev: 271 },
}

/** Offsets in struct seccomp_data; for an argument, of its lower half. */
const AT = { number: 0, architecture: 4, first: 16, second: 24 }

const ALLOW = 0x7fff0000
/** Makes the call fail with an errno. */
const fail = (errno: number) => 0x00050000 | errno
const ERRNO = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 }

/** One instruction of classic BPF, struct sock_filter: code, how many to skip if true and if false, operand. */
type Instruction = readonly [number, number, number, number]
const load = (offset: number): Instruction => [0x20, 0, 0, offset]
const give = (value: number): Instruction => [0x06, 0, 0, value]
const unlessEqual = (value: number, over: number): Instruction => [0x15, 0, over, value]
const unlessAtLeast = (value: number, over: number): Instruction => [0x35, 0, over, value]

/**
 * The filter of system calls for everything in a sandbox, as a program for seccomp(2). It refuses programs of another
 * architecture, such as 32-bit ones. Undefined for an architecture that we do not know.
 */
export function seccompFilter(architecture: string): Buffer | undefined {
  const known = ARCHITECTURES[architecture]
  if (!known) return undefined
  const { audit, column, socket, ioctl, ptrace, process_vm_writev } = known
  const families = Object.values(FAMILIES).flatMap((family) => [unlessEqual(family, 1), give(ALLOW)])
  const requests = Object.values(TYPING).flatMap((request) => [unlessEqual(request, 1), give(fail(ERRNO.EPERM))])
  const onSocket = [load(AT.first), ...families, give(fail(ERRNO.EAFNOSUPPORT))]
  const onIoctl = [load(AT.second), ...requests, give(ALLOW)]
  // Process 1 holds the sandbox: nobody may stop it, or make it do something else. (Its /proc/1/mem is hidden.)
  const onFirstProcess = (at: number) => [load(at), unlessEqual(1, 1), give(fail(ERRNO.EPERM)), give(ALLOW)]
  const program = [
    load(AT.architecture),
    [0x15, 1, 0, audit] as const,
    give(fail(ERRNO.ENOSYS)),
    load(AT.number),
    // x32: other numbers for the same calls.
    ...(architecture === 'x64' ? [unlessAtLeast(0x40000000, 1), give(fail(ERRNO.ENOSYS))] : []),
    ...Object.values(DENIED).flatMap((numbers) => [unlessEqual(numbers[column], 1), give(fail(ERRNO.EPERM))]),
    unlessEqual(socket, onSocket.length),
    ...onSocket,
    unlessEqual(ioctl, onIoctl.length),
    ...onIoctl,
    unlessEqual(ptrace, 4),
    ...onFirstProcess(AT.second),
    unlessEqual(process_vm_writev, 4),
    ...onFirstProcess(AT.first),
    give(ALLOW),
  ]
  return Buffer.concat(program.map(encode))
}

function encode([code, ifTrue, ifFalse, operand]: Instruction): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(ifTrue, 2)
  bytes.writeUInt8(ifFalse, 3)
  bytes.writeUInt32LE(operand >>> 0, 4)
  return bytes
}
