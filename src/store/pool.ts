// Connections to the database. This folder alone knows the PostgreSQL driver.
import pg from 'pg'
import { sqlstateOf } from './sqlstate.ts'

export interface PoolOptions {
  readonly url: string
  /** Seen by the server's administrator; the embedded database serves by it: commits, readiness, the rest. */
  readonly purpose: 'ingest' | 'ready' | 'api' | 'exports' | 'jobs'
  readonly size: number
  readonly statementTimeoutMs: number
  /** How much longer the client waits for a server that went silent; 5 s unless told otherwise. */
  readonly graceMs?: number
  /** An idle connection broke; the pool has already replaced it. */
  readonly onError: (error: Error) => void
}

export type Pool = pg.Pool
export type Connection = pg.PoolClient

export function openPool({
  url,
  purpose,
  size,
  statementTimeoutMs,
  graceMs = 5_000,
  onError,
}: PoolOptions): Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: `cnc-monitor ${purpose}`,
    max: size,
    connectionTimeoutMillis: 5_000,
    statement_timeout: statementTimeoutMs,
    // The client's own limit, for a server that went silent; a connection that reached it is thrown away.
    query_timeout: statementTimeoutMs + graceMs,
    keepAlive: true,
  })
  pool.on('error', onError)
  // A connection that breaks between two statements of a transaction says so as an event, which ends the
  // process where nobody listens. The next statement fails and says the same.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/**
 * Runs `work` on one connection. The connection goes back to the pool only when the work ended without an
 * error: after one nobody knows what state its session is in.
 */
export async function withConnection<T>(pool: Pool, work: (client: Connection) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let sound = false
  try {
    const result = await work(client)
    sound = true
    return result
  } finally {
    client.release(!sound)
  }
}

/** Runs `work` in one transaction: committed when it resolves, rolled back when it throws. */
export function inTransaction<T>(pool: Pool, work: (client: Connection) => Promise<T>): Promise<T> {
  return withConnection(pool, async (client) => {
    await client.query('BEGIN')
    try {
      const result = await work(client)
      await client.query('COMMIT')
      return result
    } catch (error) {
      // Without the server's own word nobody listens: the connection is thrown away, which rolls back as well.
      if (sqlstateOf(error) !== null) await client.query('ROLLBACK').catch(() => undefined)
      throw error
    }
  })
}
