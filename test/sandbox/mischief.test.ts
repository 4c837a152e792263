import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { cli, eventually, processesWith, removeSandboxes } from '../helpers.ts'
import { isLong } from '../long.ts'
import { users, Victim } from './victim.ts'

/** What a program in a sandbox does to it, as shell. Whatever that is, commands end, and say what is so. */
const MISCHIEF: readonly (readonly [string, string])[] = [
  ["closes cnilab's own folder", 'chmod 0 /run/cnilab'],
  ["removes cnilab's own folder", 'rm -rf /run/cnilab'],
  ['puts a link in its place', 'rm -rf /run/cnilab; ln -s /etc /run/cnilab'],
  ['puts a pipe in its place', 'rm -rf /run/cnilab; mkfifo /run/cnilab'],
  ['mounts over it', 'mount -t tmpfs x /run/cnilab'],
  ['puts a pipe in the place of the journal', 'rm /run/cnilab/journal.jsonl; mkfifo /run/cnilab/journal.jsonl'],
  ['puts a link in the place of the journal', 'ln -sf /etc/passwd /run/cnilab/journal.jsonl'],
  ['puts a folder in the place of the journal', 'rm /run/cnilab/journal.jsonl; mkdir /run/cnilab/journal.jsonl'],
  ['mounts a file that never ends over the journal', 'mount --bind /dev/zero /run/cnilab/journal.jsonl'],
  ["mounts the kernel's log over the journal", 'mount --bind /proc/kmsg /run/cnilab/journal.jsonl'],
  ['writes garbage into the journal', 'head -c 1000000 /dev/urandom >/run/cnilab/journal.jsonl'],
  ['writes a long journal', 'yes \'{"intent":1}\' | head -c 100000000 >/run/cnilab/journal.jsonl'],
  [
    'has ip say garbage',
    "printf '#!/bin/sh\\nhead -c 1000 /dev/urandom\\n' >/tmp/ip; chmod +x /tmp/ip; mount --bind /tmp/ip /usr/bin/ip; mount --bind /tmp/ip /usr/sbin/ip",
  ],
  [
    'has ip say nothing',
    "printf '#!/bin/sh\\n' >/tmp/ip; chmod +x /tmp/ip; mount --bind /tmp/ip /usr/bin/ip; mount --bind /tmp/ip /usr/sbin/ip",
  ],
  [
    'has ip say much',
    "printf '#!/bin/sh\\nexec yes\\n' >/tmp/ip; chmod +x /tmp/ip; mount --bind /tmp/ip /usr/bin/ip; mount --bind /tmp/ip /usr/sbin/ip",
  ],
  [
    'has ip never end',
    "printf '#!/bin/sh\\nexec sleep 1000\\n' >/tmp/ip; chmod +x /tmp/ip; mount --bind /tmp/ip /usr/bin/ip; mount --bind /tmp/ip /usr/sbin/ip",
  ],
  [
    'has the shell never end',
    "printf '#!/usr/bin/sleep 1000\\n' >/tmp/sh; chmod +x /tmp/sh; cp /usr/bin/sleep /tmp/s; mount --bind /tmp/s /usr/bin/dash",
  ],
  ['takes the programs away', 'mount -t tmpfs x /usr'],
  ['takes /proc away', 'mount -t tmpfs x /proc'],
  ['takes /dev away', 'mount -t tmpfs x /dev'],
  ['takes /run away', 'mount -t tmpfs x /run'],
  ['deletes what can be deleted', 'rm -rf /etc /root /run /var /tmp /opt/cnilab/bin 2>/dev/null; :'],
  [
    'stops every program that comes in',
    '(while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p -le $$ ] || kill -STOP $p; done; done) >/dev/null 2>&1 </dev/null & ',
  ],
  [
    'kills every program that comes in',
    '(while :; do for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p -le $$ ] || kill -KILL $p; done; done) >/dev/null 2>&1 </dev/null & ',
  ],
  ['stops and kills process 1', 'kill -STOP 1; kill -KILL 1; kill -TERM 1; :'],
  [
    'traces process 1',
    `perl -e 'syscall(\`uname -m\` =~ /x86_64/ ? 101 : 117, 16, 1, 0, 0); fork and exit; sleep 1000' >/dev/null 2>&1 </dev/null`,
  ],
  ['fills all files', 'head -c 300000000 /dev/zero >/tmp/full 2>/dev/null; :'],
  ['makes very many files', 'mkdir /tmp/many; cd /tmp/many; seq 20000 | xargs touch'],
  [
    'starts as many programs as it may',
    '(i=0; while [ $i -lt 2500 ]; do sleep 1000 & i=$((i + 1)); done) >/dev/null 2>&1 </dev/null; :',
  ],
  [
    'leaves a program behind that ends for nothing',
    'setsid sh -c \'trap "" HUP INT TERM; while :; do sleep 4711; done\' >/dev/null 2>&1 </dev/null &',
  ],
  [
    'names namespaces oddly',
    "cd /run/netns; : >'a b'; : >\"$(printf 'x\\033[2J')\"; mkfifo pipe; ln -s loop loop; mkdir folder; ln -s /proc/1/ns/net link; : >-x; : >\"$(printf 'n\\nl')\"; :",
  ],
  [
    'names interfaces oddly',
    "ip link add name \"$(printf 'x\\033[2J')\" type bridge; ip link add name 'a\"b' type bridge; ip link add name 'c\\d' type bridge; ip link add name -- type bridge; :",
  ],
]

/** Commands about the sandbox. */
const COMMANDS = [
  ['netns list'],
  ['netns create blue'],
  ['exec', '--', 'true'],
  ['lab status'],
  ['bridge list'],
] as const

it('what was removed in a sandbox is told, and how to go on', async () => {
  await cli(['exec', '--', 'rm', '-rf', '/run/cnilab'])
  for (const words of ['netns create red', 'netns delete red', 'lab start eight-steps'])
    expect([words, await cli(words.split(' '))]).toMatchObject([
      words,
      {
        code: 1,
        stderr:
          "Error: a program in the sandbox 'default' changed /run/cnilab, which is cnilab's: it no longer exists\n" +
          '  what to do: cnilab sandbox delete default, and start again\n',
      },
    ])
  await removeSandboxes()
})

/** What is in no message. */
const FAULT = /a bug in cnilab|\n\s+at .*:\d+:\d+/

describe.each(users)('whatever a program in a sandbox of user %i does to it', (uid) => {
  // Where there is little time, every fourth, and the users share them.
  const [nth, all] = isLong ? [0, 1] : [users.indexOf(uid), users.length * 4]
  const victim = new Victim(uid)
  afterEach(() => void victim.cli(['clean']))
  afterAll(() => victim.leave())

  it.each(MISCHIEF.filter((_, i) => i % all === nth))('%s', async (_, script) => {
    expect(victim.cli(['netns', 'create', 'red', '--sandbox', 'good']).status).toBe(0)
    expect(victim.cli(['exec', '--sandbox', 'bad', '--', 'sh', '-c', script]).status).not.toBeNull()
    for (const [words, ...more] of COMMANDS) {
      const started = performance.now()
      const { status, stdout, stderr } = victim.cli([...words.split(' '), '--sandbox', 'bad', ...more])
      // What a program exits with that cannot even be started is its own affair.
      expect([words, words === 'exec' || [0, 1, 3].includes(status ?? -1), stderr]).toEqual([words, true, stderr])
      expect([words, stdout + stderr]).toEqual([words, expect.not.stringMatching(FAULT)])
      expect([words, performance.now() - started < 30_000]).toEqual([words, true])
    }
    // Of others nothing is different.
    expect(victim.cli(['sandbox', 'list']).stdout).toMatch(/^good .* red$/m)
    expect(victim.cli(['netns', 'list', '--sandbox', 'good']).stdout).toMatch(/^red /m)
    const { status, stdout } = victim.cli(['clean'])
    expect([status, stdout.split('\n').toSorted()]).toEqual([
      0,
      ['', "✔ Removed sandbox 'bad'", "✔ Removed sandbox 'good'"],
    ])
    expect(existsSync(join(victim.home, 'cnilab'))).toBe(false)
    expect(await eventually(() => processesWith(victim.home).length === 0)).toBe(true)
    expect(await eventually(() => processesWith('sleep\x004711').length === 0)).toBe(true)
  })
})
