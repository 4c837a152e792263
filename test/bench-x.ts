import { EIGHT_STEPS } from './bench-baselines.ts'
import { baseline, cleanUp, cnilab, run, settle } from './bench-run.ts'
const m = (a: number[]) => [...a].sort((x, y) => x - y)
const a: number[] = [],
  b: number[] = [],
  c: number[] = []
try {
  for (let i = 0; i < 14; i++) {
    a.push((await run(cnilab('lab', 'run', 'eight-steps', '--auto'))).ms)
    await settle(1)
    b.push(await baseline(EIGHT_STEPS))
    await settle(1)
    c.push(
      (await run([process.execPath, '/tmp/h-speed/p0/dist/src/cnilab.js', 'lab', 'run', 'eight-steps', '--auto'])).ms,
    )
    await settle(1)
  }
} finally {
  cleanUp()
}
console.log(
  m(a).map(Math.round).join(' '),
  '|',
  m(b).map(Math.round).join(' '),
  '|',
  m(c).map(Math.round).join(' '),
  'ratio now',
  m(a)[7]! / m(b)[7]!,
  'before',
  m(c)[7]! / m(b)[7]!,
)
