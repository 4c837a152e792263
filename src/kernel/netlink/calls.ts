/** The system calls that netlink needs, and that the runtime has no function for. A result below 0 is an error number. */
export interface Calls {
  socket: (domain: number, type: number, protocol: number) => number
  setsockopt: (fd: number, level: number, name: number, value: Buffer) => number
  send: (fd: number, bytes: Buffer) => number
  recv: (fd: number, into: Buffer) => number
  setns: (fd: number, type: number) => number
  flock: (fd: number, operation: number) => number
  /** What the C library calls an error number, as `File exists`. */
  strerror: (errno: number) => string
}
