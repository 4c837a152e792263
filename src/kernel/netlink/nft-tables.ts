import type { NftObject } from '../../state/state.ts'
import type { NetlinkSocket } from './socket.ts'
export function readTables(
  _socket: NetlinkSocket,
  _tables: readonly string[] | undefined,
  _terse: boolean,
): NftObject[] | undefined {
  return undefined
}
