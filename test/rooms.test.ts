import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '..')

/** The rooms in layers: a file imports from its own room and from the layers above its own in this list, and nothing else. */
const LAYERS: readonly (readonly string[])[] = [
  [
    'src/errors.ts',
    'src/ip-arithmetic.ts',
    'src/json-depth.ts',
    'src/nearest.ts',
    'src/once.ts',
    'src/sha256.ts',
    'src/visible.ts',
    'src/wildcard.ts',
  ],
  ['src/state/'],
  ['src/rules/'],
  ['src/operations/', 'src/packets/'],
  ['src/assertions/', 'src/plan/'],
  ['src/lab/format/'],
  ['src/kernel/'],
  ['src/journal/'],
  ['src/sandbox/'],
  ['src/engine/'],
  ['src/lab/run/', 'src/cni/protocol/'],
  ['src/cni/host.ts', 'src/cni/programs/'],
  ['src/cni/ipam/'],
  ['src/cni/plugins/'],
  ['src/cni/config/'],
  ['src/cni/runtime/', 'src/cni/machine/'],
  ['src/cni/'],
  ['src/picture/'],
  ['src/ui/terminal/'],
  ['src/ui/lab/'],
  ['src/ui/cni/'],
  ['src/', 'commands/'],
]

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
}

const files = [...filesIn('src'), ...filesIn('commands')]

/** What each file imports of ours, for types, too: paths from the root. */
const imports = new Map(
  files.map((file) => {
    const named = readFileSync(join(root, file), 'utf8').matchAll(/(?:from|import|import\() ?'(\.[^']+\.ts)'/g)
    return [file, [...named].map(([, name = '']) => join(dirname(file), name))]
  }),
)

/** The room that a file is in: the first that fits. */
function roomOf(file: string): { room: string; layer: number } {
  const layer = LAYERS.findIndex((rooms) => rooms.some((room) => file.startsWith(room)))
  return { room: LAYERS[layer]?.find((room) => file.startsWith(room)) ?? 'none', layer }
}

describe('the rooms', () => {
  it('import in one direction', () => {
    const wrong = [...imports].flatMap(([file, imported]) => {
      const from = roomOf(file)
      return imported
        .filter((other) => {
          const to = roomOf(other)
          return to.room !== from.room && to.layer >= from.layer
        })
        .map((other) => `${file} → ${other}`)
    })
    expect(wrong).toEqual([])
  })

  it('have no circle of files, for types neither', () => {
    const circles: string[] = []
    const done = new Set<string>()
    const visit = (file: string, way: readonly string[]) => {
      const at = way.indexOf(file)
      if (at !== -1) circles.push([...way.slice(at), file].join(' → '))
      if (at !== -1 || done.has(file)) return
      for (const other of imports.get(file) ?? []) visit(other, [...way, file])
      done.add(file)
    }
    for (const file of files) visit(file, [])
    expect(circles).toEqual([])
  })
})

it('every export says what it is; of a command its summary does', () => {
  const silent = files.flatMap((file) => {
    const lines = readFileSync(join(root, file), 'utf8').split('\n')
    const isSaid = (at: number) => lines[at - 1]?.endsWith('*/') === true
    return lines.flatMap((line, at) =>
      /^export (?!default |type \{|\{|\*)/.test(line) && !isSaid(at) ? [`${file}:${at + 1}: ${line}`] : [],
    )
  })
  expect(silent).toEqual([])
})
