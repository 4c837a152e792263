import { spawnSync } from 'node:child_process'
import { enter, type Sandbox } from '../../src/sandbox/find.ts'

/**
 * A program, in perl and for x86-64, that has process 1 make system calls, as a debugger can (ptrace(2)): each argument is a
 * number and what goes with it, `272,1073741824`. Then process 1 goes on, unless it is to `stop`.
 */
const TRACE = `
sub ask { my ($what, $data) = @_; syscall(101, $what, 1, 0, ref $data ? $$data : $data) }
sub await { my $status = "\\0" x 8; syscall(61, 1, $status, 0x40000000, 0) }
my $last = shift;
pipe(DONE, WORK); # who traces has to live on for what it traces to stay as it is
if ($last eq "stop" and fork) { close WORK; readline DONE; exit }
my $old = "\\0" x 216; # struct user_regs_struct
ask(0x4206, 0) == 0 or exit 1; ask(0x4207, 0); await(); ask(12, \\$old);
my @old = unpack "Q27", $old;
sub set { # back to the instruction, with what is in these registers
  my @new = @_; my @set = @old; $set[16] -= 2; $set[15] = ~0; @set[10, 14, 13] = @new;
  my $set = pack "Q27", @set; ask(13, \\$set);
}
for (@ARGV) { set((split /,/), 0, 0); for (1, 2) { ask(24, 0); await() } }
if ($last eq "stop") { setpgrp; close $_ for *STDIN, *STDOUT, *STDERR, *WORK; sleep 4712 }
set($last eq "end" ? 60 : 0, @old[14, 13]); ask(17, 0);
`

/** Has a sandbox's process 1 make system calls by number, and then `go on`, `stop`, or `end` its first thread. */
export function traceFirst(sandbox: Sandbox, calls: readonly string[], last: 'go on' | 'stop' | 'end' = 'go on'): void {
  // By nsenter alone, without the filter of system calls: as on an architecture that has none.
  const [file = '', ...rest] = [...enter(sandbox).enter, 'perl', '-', last, ...calls]
  const { status, stderr } = spawnSync(file, rest, { input: TRACE, encoding: 'utf8', cwd: '/', timeout: 20_000 })
  if (status !== 0) throw new Error(`process 1 could not be traced: ${stderr}`)
}

/** Calls that process 1 may be made to make. */
export const CALLS = {
  /** unshare(CLONE_NEWNET) */
  otherNetwork: '272,1073741824',
  /** prctl(PR_SET_PDEATHSIG, 0) */
  outliveParent: '157,1',
  /** clone(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD) */
  secondThread: '56,67840',
  /** kill(0, SIGKILL): all of its process group */
  killGroup: '62,0,9',
  /** kill(0, SIGSTOP) */
  stopGroup: '62,0,19',
}
