import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../../errors.ts'
import { MIB, readText } from '../../kernel/read-file.ts'
import { BOUNDS } from '../format/bounds.ts'
import type { Lab } from '../format/lab.ts'
import { isLarge } from '../format/large.ts'
import { isLabPath, unknownLab } from '../format/lab-name.ts'
import type { Operation } from '../../operations/registry.ts'
import { packageFolder } from '../../kernel/package-folder.ts'

/** The names of the labs that ship. */
export function labNames(): string[] {
  return readdirSync(join(packageFolder(), 'labs'))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .toSorted()
}

/** The labs that ship, in the recommended order. */
export async function shippedLabs(): Promise<Lab[]> {
  const last = Number.MAX_SAFE_INTEGER
  const labs = await Promise.all(labNames().map((name) => loadLab(name)))
  return labs.toSorted((a, b) => (a.order ?? last) - (b.order ?? last))
}

/** The lab that ships to do after this one; undefined after the last, and after a lab of one's own. */
export async function nextLab({ id }: Lab): Promise<Lab | undefined> {
  const labs = await shippedLabs()
  const at = labs.findIndex((lab) => lab.id === id)
  return at < 0 ? undefined : labs[at + 1]
}

/** The user's language, from the environment (locale(7)): `ko` for `ko_KR.UTF-8`. */
function language(): string | undefined {
  const { LC_ALL, LC_MESSAGES, LANG } = process.env
  return /^[a-z]{2,3}(?=[_.@]|$)/.exec(LC_ALL || LC_MESSAGES || LANG || '')?.[0]
}

/**
 * Loads a lab by name, or by path (with a `/`, or ending in .yaml), with the values of `--set key=value`. Throws CnilabError
 * `usage` if it does not exist or has a mistake.
 */
export async function loadLab(name: string, set: readonly string[] = []): Promise<Lab> {
  const lab = await findLab(name, valuesOf(set))
  // Else a thousand containers let 100 MB of garbage pile up before the first collection of all.
  if (isLarge(lab)) process.getBuiltinModule('node:v8').setFlagsFromString('--optimize-for-size')
  return lab
}

async function findLab(name: string, values: Readonly<Record<string, string>>): Promise<Lab> {
  if (isLabPath(name)) return parse(name, name, values)
  const known = labNames()
  if (!known.includes(name)) throw unknownLab(name, known)
  const file = join(packageFolder(), 'labs', `${name}.yaml`)
  return (await readPrepared(name, file, values)) ?? parse(file, `labs/${name}.yaml`, values)
}

/**
 * Loads the operations of a lab, by name or path like `loadLab`, or of a file that is a list of them. Throws CnilabError
 * `usage`.
 */
export async function loadOperations(name: string, set: readonly string[]): Promise<Operation[]> {
  const { operationsOf, parseOperations } = await import('../format/parse.ts')
  return isLabPath(name)
    ? parseOperations(read(name, name), name, valuesOf(set))
    : operationsOf(await loadLab(name, set))
}

function valuesOf(set: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    set.map((text) => {
      const [, key, value] = /^(\w+)=(.*)$/.exec(text) ?? []
      if (key === undefined || value === undefined)
        throw new CnilabError('usage', `--set takes key=value, not '${text}'`, {
          fix: 'for example: --set subnet=10.99.0.0/16',
        })
      return [key, value]
    }),
  )
}

async function parse(file: string, shown: string, values: Readonly<Record<string, string>>): Promise<Lab> {
  const { parseLab } = await import('../format/parse.ts') // the YAML parser takes longer to load than most commands to run
  return parseLab(read(file, shown), shown, values, language())
}

/** A lab that ships, as parsed by the build. */
export interface PreparedLab {
  /** The content of its file. */
  tree: unknown
  /** The lab without `--set`, in English, the only language of the labs that ship. */
  lab: Lab
}

/**
 * Loads a lab that ships as the build parsed it, which is faster. Undefined if that is missing or out of date, or if there is
 * any error: parsing the file itself will then say what and where.
 */
async function readPrepared(
  name: string,
  file: string,
  values: Readonly<Record<string, string>>,
): Promise<Lab | undefined> {
  const made = join(packageFolder(), 'dist', 'labs', `${name}.json`)
  const since = statSync(made, { throwIfNoEntry: false })?.mtimeMs
  if (since === undefined || since < (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Infinity)) return undefined
  const mistake = () => new CnilabError('usage', 'a mistake')
  try {
    // Written by src/generate.ts.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const { tree, lab } = JSON.parse(readText(made, MIB)) as PreparedLab
    if (Object.keys(values).length === 0) return lab
    const { toLab } = await import('../format/lab.ts')
    return toLab({ tree, errorAt: mistake, complaint: mistake }, values, language())
  } catch {
    return undefined
  }
}

function read(file: string, shown: string): string {
  try {
    return readText(file, BOUNDS.file)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CnilabError('usage', `cannot read the lab ${shown}: ${why}`, {
      fix: 'cnilab lab list names those that ship; your own lab is a text file in YAML',
    })
  }
}
