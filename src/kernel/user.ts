import { readText } from './read-file.ts'

/** This user's id. */
export function userId(): number {
  return process.getuid?.() ?? 0
}

/** The unprivileged user, and group, that a sandbox of root's belongs to. */
export const NOBODY = 65534

/**
 * Whether sandboxes are to be made as an unprivileged user, because this is root. Root of a rootless container that
 * knows of no other users is none: there it is an ordinary user by another name.
 */
export function dropsPrivileges(): boolean {
  return userId() === 0 && ['uid_map', 'gid_map'].every((map) => isMapped(NOBODY, map))
}

/** Whether this user namespace knows all users of the machine, as the first one does: the files of others show as nobody's. */
export function knowsEveryUser(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readText('/proc/self/uid_map'))
}

/** Whether an id exists in this user namespace (user_namespaces(7): first id, first id outside, how many). */
function isMapped(id: number, map: string): boolean {
  return readText(`/proc/self/${map}`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first <= id && id < first + count)
}
