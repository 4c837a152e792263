import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CnilabError } from '../errors.ts'
import { isLabPath, type Lab, parseLab, unknownLab } from '../lab/lab.ts'
import { packageFolder } from '../sandbox/create.ts'

/** The names of the labs that ship. */
export function labNames(): string[] {
  return readdirSync(join(packageFolder(), 'labs'))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .toSorted()
}

/** The labs that ship, in the order in which to learn them. */
export function shippedLabs(): Lab[] {
  const last = Number.MAX_SAFE_INTEGER
  return labNames()
    .map((name) => loadLab(name))
    .toSorted((a, b) => (a.order ?? last) - (b.order ?? last))
}

/** The language of the user's texts, from the environment (locale(7)): `ko` of `ko_KR.UTF-8`. */
function language(): string | undefined {
  const { LC_ALL, LC_MESSAGES, LANG } = process.env
  return /^[a-z]{2,3}(?=[_.@]|$)/.exec(LC_ALL || LC_MESSAGES || LANG || '')?.[0]
}

/** Loads a lab by name, or by path (with a `/`, or ending in .yaml), with the parameters of `--set key=value`. */
export function loadLab(name: string, set: readonly string[] = []): Lab {
  const values = Object.fromEntries(
    set.map((text) => {
      const [, key, value] = /^(\w+)=(.*)$/.exec(text) ?? []
      if (key === undefined || value === undefined)
        throw new CnilabError('usage', `--set takes key=value, not '${text}'`, {
          fix: 'for example: --set subnet=10.99.0.0/16',
        })
      return [key, value]
    }),
  )
  if (isLabPath(name)) return parseLab(read(name), name, values, language())
  const known = labNames()
  if (!known.includes(name)) throw unknownLab(name, known)
  return parseLab(read(join(packageFolder(), 'labs', `${name}.yaml`)), `labs/${name}.yaml`, values, language())
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CnilabError(
      'usage',
      `cannot read the lab ${file}: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
