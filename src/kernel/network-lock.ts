import { closeSync, openSync } from 'node:fs'
import { CnilabError } from '../errors.ts'
import { flockNow } from './lock.ts'

/**
 * Takes the exclusive lock of this network namespace, waiting for it, and returns what gives it back. What is locked is
 * the namespace's own file, so that there is none to make or to remove; it ends with this process, however that ends.
 */
export function lockNetwork(): () => void {
  const fd = openSync('/proc/self/ns/net', 'r')
  if (flockNow(fd)) return () => closeSync(fd)
  closeSync(fd)
  throw new CnilabError('machine', 'could not lock the network namespace: is flock (package util-linux) installed?')
}
