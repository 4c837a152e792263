import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findLostHolders, listSandboxes, type Sandbox } from '../../src/sandbox/find.ts'
import { OUTSIDE } from '../../src/sandbox/scripts.ts'
import { cli, eventually, processesWith, removeSandboxes, runtime } from '../helpers.ts'
import { CALLS, traceFirst } from './trace.ts'

afterEach(removeSandboxes)

/** By this, programs of this file's are known. */
const SECONDS = String(4_000_000 + process.pid)

/** What there is of sandboxes: the folder of all, what is outside of each, and a program that was left in one. */
function left(): string[] {
  const outside = processesWith(`${runtime}/cnilab/`).map((pid) => `process ${pid}`)
  const inside = processesWith(`sleep\0${SECONDS}`).map((pid) => `process ${pid} inside`)
  return [...(existsSync(join(runtime, 'cnilab')) ? ['the folder'] : []), ...outside, ...inside]
}

/** The same, once there is nothing, or there will be something for long. */
async function leftInTheEnd(): Promise<string[]> {
  await eventually(() => left().length === 0)
  return left()
}

/** Runs a lab with one command, which sleeps in the end, and kills the run then, once something was done to its sandbox. */
async function runAndKill(argv: readonly string[], act?: (sandbox: Sandbox) => void): Promise<void> {
  const file = join(runtime, 'stays.yaml')
  const step = { id: 'stay', title: 'Stay', text: 't', operations: [{ netns: { name: 'red' } }], run: [{ argv }] }
  writeFileSync(file, JSON.stringify({ version: 1, id: 'stay', title: 'Stay', text: 't', steps: [step] }))
  const { code } = await cli(['lab', 'run', file, '--auto'], '', (kill) => {
    void eventually(() => processesWith(`sleep\0${SECONDS}`).length > 0).then(() => {
      for (const sandbox of listSandboxes()) act?.(sandbox)
      kill('SIGKILL')
    })
  })
  expect(code).toBe(null)
}

/** What a debugger in a sandbox can do to process 1. */
const DONE = {
  'goes on': (sandbox: Sandbox) => traceFirst(sandbox, []),
  'is stopped': (sandbox: Sandbox) => traceFirst(sandbox, [CALLS.outliveParent], 'stop'),
  'has another network': (sandbox: Sandbox) => traceFirst(sandbox, [CALLS.otherNetwork, CALLS.outliveParent]),
  'has lost its first thread': (sandbox: Sandbox) =>
    traceFirst(sandbox, [CALLS.outliveParent, CALLS.secondThread], 'end'),
  'has killed its process group': (sandbox: Sandbox) => traceFirst(sandbox, [CALLS.outliveParent, CALLS.killGroup]),
  'has stopped its process group': (sandbox: Sandbox) => traceFirst(sandbox, [CALLS.outliveParent, CALLS.stopGroup]),
}

describe.runIf(process.arch === 'x64').each(Object.entries(DONE))('a sandbox whose process 1 %s', (_, act) => {
  /** A sandbox in which a program was left, and of which that is true. */
  async function made(): Promise<Sandbox> {
    const leave = `setsid sleep ${SECONDS} >/dev/null 2>&1 </dev/null &`
    expect((await cli(['exec', '--sandbox', 'odd', '--', 'sh', '-c', leave])).code).toBe(0)
    const [sandbox] = listSandboxes()
    if (!sandbox) throw new Error('there is no sandbox')
    act(sandbox)
    return sandbox
  }

  it('is listed, and ended by clean', async () => {
    await made()
    expect((await cli(['sandbox', 'list'])).stdout).toMatch(/^odd /m)
    expect(await cli(['clean'])).toMatchObject({ code: 0, stdout: "✔ Removed sandbox 'odd'\n" })
    expect(await leftInTheEnd()).toEqual([])
  })

  it('is ended by sandbox delete', async () => {
    await made()
    expect(await cli(['sandbox', 'delete', 'odd'])).toMatchObject({ code: 0, stdout: "✔ Removed sandbox 'odd'\n" })
    expect(await leftInTheEnd()).toEqual([])
  })

  it('is ended by clean after its record was lost', async () => {
    const { folder } = await made()
    rmSync(folder, { recursive: true })
    expect(await cli(['clean'])).toMatchObject({ code: 0, stdout: "✔ Removed sandbox 'odd'\n" })
    expect(await leftInTheEnd()).toEqual([])
  })

  it('ends with the run of a lab that was killed', async () => {
    await runAndKill(['sleep', SECONDS], act)
    expect(await leftInTheEnd()).toEqual([])
  })
})

it.runIf(process.arch === 'x64')('one whose process 1 has another network is not entered', async () => {
  await cli(['netns', 'create', 'red'])
  for (const sandbox of listSandboxes()) DONE['has another network'](sandbox)
  for (const words of ['netns create blue', 'netns list', 'exec -- true'])
    expect([words, await cli(words.split(' '))]).toMatchObject([
      words,
      {
        code: 1,
        stderr: expect.stringContaining("a program in the sandbox 'default' changed the process that holds it"),
      },
    ])
})

it('a program inside that calls itself what starts a sandbox is not taken for it', async () => {
  const folder = join(runtime, 'cnilab', `fake~${statSync('/proc/self/ns/pid').ino}-1-1-x`)
  // As in truth, its child is the first process of a pid namespace.
  const fake = `perl -e 'syscall(\`uname -m\` =~ /x86_64/ ? 272 : 97, 0x20000000) == 0 or exit; fork; sleep 1000' \\
    ${OUTSIDE} fake ${process.getuid?.()} ${folder} >/dev/null 2>&1 </dev/null &`
  expect((await cli(['exec', '--', 'sh', '-c', fake])).code).toBe(0)
  expect(await eventually(() => processesWith(`${OUTSIDE}\0fake`).length === 2)).toBe(true)
  expect(findLostHolders()).toEqual([])
})

it.each(['echo keep >/proc/1/fd/0', 'exec 9<>/proc/1/fd/0'])(
  'a lab that does %s ends with its run, however that ends',
  async (script) => {
    await runAndKill(['sh', '-c', `${script}; sleep ${SECONDS}`])
    expect(await leftInTheEnd()).toEqual([])
  },
)
