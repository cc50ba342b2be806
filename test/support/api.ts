// The API on a database, without a broker and without ingestion.
import pino from 'pino'
import { LiveHub } from '../../src/feed/hub.ts'
import { apiQueries } from '../../src/store/queries.ts'
import { openPool } from '../../src/store/pool.ts'
import { createApp, listen, type WebOptions } from '../../src/web/server.ts'

/** Runs `run` with the API's URL. */
export async function withApi<T>(
  databaseUrl: string,
  run: (url: string) => Promise<T>,
  heard?: WebOptions['heard'],
): Promise<T> {
  const open = (purpose: 'ingest' | 'api' | 'exports') =>
    openPool({ url: databaseUrl, purpose, size: 2, statementTimeoutMs: 20_000, onError: () => undefined })
  const pools = { ingest: open('ingest'), api: open('api'), exports: open('exports') }
  const parts = {
    queries: apiQueries({ ...pools, copies: process.env['TEST_DATABASE_URL'] !== undefined }),
    metrics: { request: () => undefined },
    // A feed that nobody tells anything.
    live: { frames: new LiveHub({ id: 'test', perSecond: 1 }), maxClients: 1, origins: null },
    log: pino({}, { write: () => undefined }),
    ...(heard === undefined ? {} : { heard }),
  }
  // What needs a broker is not there and not asked for.
  const app = createApp(parts as unknown as WebOptions)
  try {
    return await run(await listen(app, '127.0.0.1', 0, 0))
  } finally {
    await app.close()
    for (const pool of Object.values(pools)) await pool.end()
  }
}
