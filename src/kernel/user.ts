import { readText } from './read-file.ts'

/** This user's id. */
export function userId(): number {
  return process.getuid?.() ?? 0
}

/** Who owns, for this user namespace, what belongs to a user that it does not know. Daemons run as this one, too. */
export const NOBODY = 65534

/**
 * Users, and groups, of which sandboxes of root's belong to the first that there is: in ranges that are given to no people,
 * services or containers ("Users, Groups, UIDs and GIDs on systemd Systems"), so that nobody else can be one of them and
 * enter, or kill, what is in a sandbox. The second is for containers, which often know of 65536 users.
 */
const OF_SANDBOXES = [2_112_112_112, 65_523]

/**
 * The unprivileged user, and group, that sandboxes are to be made as, because this is root; else undefined. Root of a
 * rootless container that knows of no other users is none: there it is an ordinary user by another name.
 */
export function sandboxUser(): number | undefined {
  if (userId() !== 0) return undefined
  return OF_SANDBOXES.find((id) => ['uid_map', 'gid_map'].every((map) => isMapped(id, map)))
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
