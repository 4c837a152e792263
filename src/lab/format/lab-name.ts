import { CnilabError } from '../../errors.ts'
import { nearest } from '../../nearest.ts'

/** Whether this is the path of a file, and not the name of a lab that ships. */
export function isLabPath(lab: string): boolean {
  return lab.includes('/') || lab.endsWith('.yaml')
}

/** The error for a lab that does not exist. */
export function unknownLab(name: string, known: readonly string[]): CnilabError {
  const near = nearest(name, known)
  return new CnilabError('usage', `there is no lab '${name}'`, {
    fix: `${near === undefined ? '' : `did you mean ${near}? `}the labs are: ${known.join(', ')}; a path to a file holds a / or ends in .yaml`,
  })
}
