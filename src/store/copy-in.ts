// COPY FROM STDIN, where the server takes it.
import { from } from 'pg-copy-streams'
import { CopyRows, copyText } from './copy-rows.ts'
import { type Connection, type Pool, withConnection } from './pool.ts'
import { sqlstateOf } from './sqlstate.ts'

const FEATURE_NOT_SUPPORTED = '0A000'

/** Sends rows in the format of copy-rows.ts; resolves to their number. `data` must not change meanwhile. */
export function copyIn(connection: Connection, data: Buffer): Promise<number> {
  const stream = connection.query(from(copyText))
  return new Promise((resolve, reject) => {
    stream.once('finish', () => resolve(stream.rowCount))
    // Not once: after a time limit the server's own word may still follow.
    stream.on('error', reject)
    stream.end(data)
  })
}

/** Whether the server takes COPY: the embedded one does not. Asked by copying no rows. */
export function takesCopy(pool: Pool): Promise<boolean> {
  return withConnection(pool, (connection) => copyIn(connection, new CopyRows().finish())).then(
    () => true,
    (error: unknown) => {
      if (sqlstateOf(error) === FEATURE_NOT_SUPPORTED) return false
      throw error
    },
  )
}
