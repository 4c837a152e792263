import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CnilabError } from '../../src/errors.ts'
import { appendJournal, readJournal } from '../../src/journal/journal.ts'
import { endProgress, newProgress, readProgress, writeProgress } from '../../src/lab/run/progress.ts'
import { progressFileOf } from '../../src/lab/run/progress-file.ts'
import { type Host, MACHINE } from '../../src/kernel/host.ts'
import { systemError } from '../../src/kernel/system-error.ts'
import { folderWithOdd, makeOdd, ODD_FILES, OPEN_TO_ALL } from '../odd-files.ts'

/** What an act did, or the words of the error that it ended with; anything but those is thrown. */
function outcome<T>(act: () => T): T | string {
  try {
    return act()
  } catch (error) {
    const known = error instanceof CnilabError ? error : systemError(error)
    if (!known) throw error
    return known.message
  }
}

describe.each(ODD_FILES)('%s in the place of', (kind) => {
  it('the journal: nothing is read, or it is said that the file is not ours', () => {
    const folder = folderWithOdd(kind, 'journal.jsonl')
    const host: Host = { ...MACHINE, kind: 'sandbox', folder }
    const isReadable = ['byte order mark', 'NULs', 'empty', 'deep', 'Latin-1', 'UTF-16'].includes(kind)
    const refused = `a program in the sandbox 'machine' changed ${join(folder, 'journal.jsonl')}, which is cnilab's: `
    const told = (said: unknown) => (typeof said === 'string' && said.startsWith(refused) ? 'refused' : said)
    expect(told(outcome(() => readJournal(host)))).toEqual(isReadable ? [] : 'refused')
    expect(told(outcome(() => appendJournal(host, [{ undone: 'x' }])))).toBe(isReadable ? undefined : 'refused')
  })

  it("a lab's progress: no lab runs; one that begins takes its place, or says why it cannot", () => {
    process.env['XDG_STATE_HOME'] = folderWithOdd('empty', 'x')
    const file = progressFileOf('default')
    mkdirSync(join(file, '..'), { recursive: true })
    makeOdd(kind, file)
    const place = { name: 'default' }
    const refused = expect.stringContaining(' cannot be trusted: everybody may write to ')
    expect(outcome(() => readProgress(place))).toEqual(OPEN_TO_ALL.includes(kind) ? refused : undefined)
    if (OPEN_TO_ALL.includes(kind)) return
    const said = outcome(() => writeProgress(place, newProgress('eight-steps', [])))
    const isFolder = kind === 'folder'
    expect(said?.replace(/ to .*/, '')).toBe(isFolder ? 'could not write the progress of the lab' : undefined)
    expect(readProgress(place)?.lab).toBe(isFolder ? undefined : 'eight-steps')
    expect(lstatSync(file).isFile()).toBe(!isFolder)
    outcome(() => endProgress(place))
    expect(existsSync(file)).toBe(isFolder)
  })
})
