// What is made on the machine bears a mark, whatever its kind: by that, and not by its name, it is known to be ours.
import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { bridge } from '../../src/operations/bridge.ts'
import { bindOperation, isKind, kinds, withMark, parseOperation } from '../../src/operations/registry.ts'
import { onMachine } from '../helpers.ts'

/** Of each kind that makes interfaces: parameters, and how somebody else makes one of the same name with ip(8). */
const MAKERS: Readonly<Record<string, { params: object; theirs: string; byAlias?: true }>> = {
  bridge: { params: { name: 'x' }, theirs: 'ip link add name x type bridge' },
  veth: { params: { name: 'x', peer: 'y' }, theirs: 'ip link add name x type veth peer name y' },
  macvlan: { params: { name: 'x', parent: 'lower' }, theirs: 'ip link add link lower name x type macvlan mode bridge' },
  // It has its parent's MAC address, and says its own mark in its alias, which comes with its name.
  ipvlan: {
    params: { name: 'x', parent: 'lower' },
    theirs: 'ip link add link lower name x type ipvlan mode l2',
    byAlias: true,
  },
  vlan: { params: { name: 'x', parent: 'lower', vlan: 7 }, theirs: 'ip link add link lower name x type vlan id 7' },
  dummy: { params: { name: 'x' }, theirs: 'ip link add name x type dummy' },
}
/** Something for an interface to lie on. */
const LOWER = 'ip link add name lower type veth peer name far'

const hasKind = (theirs: string) => spawnSync('unshare', ['-Urn', 'sh', '-ec', `${LOWER}; ${theirs}`]).status === 0

it('every kind that makes an interface is tried here', () => {
  expect(Object.keys(MAKERS).toSorted()).toEqual(
    Object.entries(kinds)
      .filter(([, definition]) => 'marks' in definition)
      .map(([kind]) => kind)
      .toSorted(),
  )
})

it('a kind that provides an interface and gives it no mark is none, by its type', () => {
  const forgetful = { ...bridge, mark: undefined, marks: undefined }
  // @ts-expect-error: it has no mark
  const kind: typeof bridge = forgetful
  expect(kind.kind).toBe('bridge')
})

describe.each(Object.entries(MAKERS))('%s', (kind, { params, theirs, byAlias }) => {
  const operation = () => {
    if (!isKind(kind)) throw new Error(kind)
    return parseOperation(kind, params)
  }

  it('has its mark in the very command that makes it', () => {
    const derived = (digits: string) => bindOperation(withMark(operation(), () => digits.repeat(16)))
    const { apply, marks } = derived('ffa1')
    expect(marks.length).toBeGreaterThan(0)
    expect(marks[0]?.mac).toBe('fe:a1:ff:a1:ff:a1')
    const naming = apply.find(({ argv }) => argv.join(' ').includes('name x'))
    for (const { mac } of marks)
      expect(naming?.argv.join(' ')).toContain(byAlias ? `alias made by cnilab, ${mac}` : `address ${mac}`)
    expect(derived('ffa2').marks).not.toEqual(marks)
  })

  it.skipIf(!hasKind(theirs))(
    'deleted and made again by somebody else it is left alone, and named (skipped where the kernel has none)',
    () => {
      const text = { title: 't', text: 't' }
      const lab = { version: 1, id: 'x', ...text, steps: [{ id: 's', ...text, operations: [{ [kind]: params }] }] }
      const output =
        onMachine(`export XDG_STATE_HOME=/run/state; ${LOWER}; printf '%s' '${JSON.stringify(lab)}' >/run/lab.yaml
      cnilab lab run /run/lab.yaml --auto --keep --host >/run/log || cat /run/log
      ip -d link show x | grep -o 'made by cnilab'; ip link delete x; ${theirs}; cnilab clean --host; echo "exit $?"; ip -br link show x | cut -d' ' -f1`)
      expect(output).toMatch(
        /^made by cnilab\n= left alone, not ours: x \(cnilab did not make it\)\n(= .*\n)?exit 0\nx/,
      )
    },
  )
})
