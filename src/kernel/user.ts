import { readText } from './read-file.ts'

/** This user's id. */
export function userId(): number {
  return process.getuid?.() ?? 0
}

/** The uid that owns the files of users that this user namespace does not know. Daemons run as this one, too. */
export const NOBODY = 65534

/**
 * The uids, and gids, for root's sandboxes; the first that exists is used. They lie in ranges that no person, service or
 * container gets ("Users, Groups, UIDs and GIDs on systemd Systems"), so that nobody else can enter a sandbox, or kill its
 * processes. The second is for containers, which often have 65536 users.
 */
const OF_SANDBOXES = [2_112_112_112, 65_523]

/**
 * The unprivileged uid, and gid, under which root makes sandboxes; undefined if this is not root. Undefined also in a
 * rootless container with no other users, whose root is an ordinary user outside.
 */
export function sandboxUser(): number | undefined {
  if (userId() !== 0) return undefined
  return OF_SANDBOXES.find((id) => ['uid_map', 'gid_map'].every((map) => isMapped(id, map)))
}

/** Whether this user namespace maps all users of the machine, as the initial one does. */
export function knowsEveryUser(): boolean {
  return /^\s*0\s+0\s+4294967295\s*$/.test(readText('/proc/self/uid_map'))
}

/** Whether an id exists in this user namespace (user_namespaces(7): first id, first id outside, count). */
function isMapped(id: number, map: string): boolean {
  return readText(`/proc/self/${map}`)
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .some(([first = 0, , count = 0]) => first <= id && id < first + count)
}
