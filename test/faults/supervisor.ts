// A program that runner.ts starts: answers for the system calls of all that the runner runs (seccomp_unotify(2)). It counts
// them, and lets one of them fail, or kills its caller. It reads an Order in each line of stdin. (A process of its own: while
// a process forks, none of its threads gets memory.)
import { closeSync, openSync, readFileSync, readdirSync, readlinkSync, readSync, writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import koffi from 'koffi'
import { CALLS, CLONE, type Fault, type Group, NODES_OWN, type Order, type Supervised } from './calls.ts'

/** What is opened when the program of ours begins. */
const ENTRIES = ['/dist/src/main.cjs', '/dist/plugins/main.cjs']

const c = koffi.load(null)
const ioctl = c.func('int ioctl(int, unsigned long, _Inout_ uint8_t *)')
const poll = c.func('int poll(_Inout_ uint8_t *, unsigned long, int)')
const syscall = c.func('long syscall(long, long, long, long)')
const PIDFD = { open: 434, getfd: 438 }

/** ioctl(2) with struct seccomp_notif, which the kernel fills, and struct seccomp_notif_resp (linux/seccomp.h). */
const RECEIVE = 0xc0502100
const ANSWER = 0xc0182101
const CONTINUE = 1

const listener = await listenerOf(process.ppid)
let fault: Fault | undefined
/** What was called, in order, since the program of ours began; undefined until then. */
let calls: string[] | undefined
let isArmed = false
let isMet = false

let heard = ''
for (;;) {
  const [hasOrder, hasCall] = wait()
  if (hasOrder) listen()
  if (hasCall) answerOne()
}

/** The descriptor at which a process's calls are heard, as soon as it has one. */
async function listenerOf(pid: number): Promise<number> {
  for (;;) {
    const fd = readdirSync(`/proc/${pid}/fd`).find(
      (one) => link(`/proc/${pid}/fd/${one}`) === 'anon_inode:seccomp notify',
    )
    if (fd !== undefined) return syscall(PIDFD.getfd, syscall(PIDFD.open, pid, 0, 0), Number(fd), 0)
    await setTimeout(5)
  }
}

/** Waits for an order or a call. */
function wait(): [boolean, boolean] {
  const asked = Buffer.alloc(16) // two of struct pollfd
  asked.writeInt32LE(0, 0)
  asked.writeInt16LE(1, 4)
  asked.writeInt32LE(listener, 8)
  asked.writeInt16LE(1, 12)
  poll(asked, 2, -1)
  return [asked.readInt16LE(6) !== 0, (asked.readInt16LE(14) & 1) !== 0]
}

function listen(): void {
  const bytes = Buffer.alloc(65_536)
  const length = readSync(0, bytes)
  if (length === 0) process.exit() // the runner has ended
  const lines = (heard + bytes.toString('utf8', 0, length)).split('\n')
  heard = lines.pop() ?? ''
  for (const line of lines) obey(JSON.parse(line))
}

function obey(order: Order): void {
  if (order.order === 'begin') [fault, calls, isArmed, isMet] = [order.fault, undefined, true, false]
  if (order.order !== 'end') return
  isArmed = false
  writeSync(1, `${JSON.stringify({ isMet, calls: calls ?? [] } satisfies Supervised)}\n`)
}

function answerOne(): void {
  const notice = Buffer.alloc(80)
  if (ioctl(listener, RECEIVE, notice) !== 0) return // whoever called is gone
  const pid = notice.readUInt32LE(8)
  const answer = Buffer.alloc(24)
  notice.copy(answer, 0, 0, 8)
  const errno = pid === process.ppid || !isArmed ? 0 : consider(pid, notice)
  if (errno === 0) answer.writeUInt32LE(CONTINUE, 20)
  else answer.writeInt32LE(-errno, 16)
  ioctl(listener, ANSWER, answer)
}

/** Counts a call. Returns the errno with which it is to fail, or 0 where it is to go on. */
function consider(pid: number, notice: Buffer): number {
  const call = CALLS.find(({ number }) => number === notice.readInt32LE(16))
  if (!call) return 0
  const argument = (i: number) => notice.readBigUInt64LE(32 + 8 * i)
  const what = subject(call.group, pid, call.at === undefined ? 0n : argument(call.at), call.name)
  if (what === undefined) return 0
  if (calls === undefined) {
    // What Node does before the program begins is its own affair.
    if (call.group === 'open' && ENTRIES.some((entry) => what.endsWith(entry))) calls = []
    return 0
  }
  const label = `${call.group} ${nameless(what)} by ${comm(pid)}`.replace('  ', ' ')
  const already = calls.filter((one) => one === label).length
  calls.push(label)
  if (isMet || label !== fault?.label || already !== fault.nth) return 0
  isMet = true
  if (fault.kill) {
    process.kill(pid, 'SIGKILL')
    return 0
  }
  return call.errno
}

/** What a call is about; undefined for one that is nothing of ours. */
function subject(group: Group, pid: number, argument: bigint, name: string): string | undefined {
  if (group === 'fork') {
    const flags = name === 'clone3' ? (memory(pid, argument, 8)?.readBigUInt64LE(0) ?? 0n) : argument
    return (flags & CLONE.thread) === 0n ? '' : undefined
  }
  if (group === 'write') {
    const file = link(`/proc/${pid}/fd/${argument}`)
    return file.startsWith('anon_inode:') || isWithin(pid, file) ? undefined : file
  }
  const path = text(pid, argument)
  return NODES_OWN.test(path) ? undefined : path
}

/** Whether both ends of a pipe are the process's own, as those are with which Node wakes itself: it ends where it cannot. */
function isWithin(pid: number, file: string): boolean {
  if (!file.startsWith('pipe:')) return false
  try {
    return readdirSync(`/proc/${pid}/fd`).filter((fd) => link(`/proc/${pid}/fd/${fd}`) === file).length > 1
  } catch {
    return false
  }
}

/** A path without what is another one each time. */
function nameless(path: string): string {
  return path
    .replace(/(\/skeleton|\/root|^\.)\/.*/, '$1/…')
    .replaceAll(/\d+/g, '#')
    .replaceAll(/-[\da-z#]{4,6}(?=\/|$)/g, '-*')
}

function comm(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim()
  } catch {
    return '?'
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '?'
  }
}

function text(pid: number, address: bigint): string {
  const bytes = memory(pid, address, 4096 - Number(address % 4096n)) ?? Buffer.alloc(0)
  const end = bytes.indexOf(0)
  if (end >= 0) return bytes.toString('utf8', 0, end)
  const rest = memory(pid, address + BigInt(bytes.length), 4096) ?? Buffer.alloc(1)
  return bytes.toString('utf8') + rest.toString('utf8', 0, rest.indexOf(0))
}

function memory(pid: number, address: bigint, length: number): Buffer | undefined {
  let fd = -1
  try {
    fd = openSync(`/proc/${pid}/mem`, 'r')
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(fd, bytes, 0, length, address))
  } catch {
    return undefined // a page that is not there, or a process that is gone
  } finally {
    if (fd >= 0) closeSync(fd)
  }
}
