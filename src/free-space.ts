// Room left for the database: of the embedded one what its file system has left, of a server what it was told.
import { statfs } from 'node:fs/promises'
import type { Config } from './config.ts'

/** Asked with the bytes that the database has now; null: not known. */
export function freeBytesFor({ database, stateDir }: Config): (bytes: number) => Promise<number | null> {
  return async (bytes) => {
    const allowed = database.diskBytes === null ? null : Math.max(0, database.diskBytes - bytes)
    if (database.url !== null) return allowed
    const { bavail, bsize } = await statfs(stateDir)
    return Math.min(bavail * bsize, allowed ?? Infinity)
  }
}
