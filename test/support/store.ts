// A migrated store for a test: on the server that TEST_DATABASE_URL names, in a database of its own that is dropped
// at the end; without it on an embedded database.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { after, before } from 'node:test'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { openPool, type Pool } from '../../src/store/pool.ts'
import type { Sink } from '../../src/pipeline-types.ts'
import { timescaleSink, type SinkOptions } from '../../src/store/sink.ts'
import { withDatabase } from './embedded-database.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')
const SERVER = process.env['TEST_DATABASE_URL']

export async function withStore(run: (pool: Pool, url: string) => Promise<void>): Promise<void> {
  await withOwnDatabase(true, async (url) => {
    const pool = openTestPool(url)
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      await run(pool, url)
    } finally {
      await pool.end()
    }
  })
}

/** One store for all tests of a file; each is to begin with `emptied`. */
export function storeForAll(): { emptied(): Promise<Pool> } {
  const opened = Promise.withResolvers<Pool>()
  const done = Promise.withResolvers<void>()
  let running: Promise<void>
  before(async () => {
    running = withStore((pool) => (opened.resolve(pool), done.promise))
    running.catch(opened.reject)
    await opened.promise
  })
  after(() => (done.resolve(), running))
  return {
    async emptied() {
      const pool = await opened.promise
      await pool.query('TRUNCATE sensor_data, machines')
      return pool
    },
  }
}

export function openTestPool(url: string): Pool {
  return openPool({
    url,
    purpose: 'ingest',
    size: 4,
    statementTimeoutMs: 20_000,
    onError: () => undefined,
  })
}

/** The sink as the monitor has it, but for what is told otherwise: by inserts, on one pool. */
export function sinkOn(pool: Pool, options: Partial<SinkOptions> = {}): Sink {
  const onMistake = (mistake: unknown) => assert.fail(mistake as Error)
  return timescaleSink({ pool, ready: pool, copies: false, maxDeadLetters: 100, onMistake, ...options })
}

/** A database without any table; else as `withStore`. */
export function withEmptyDatabase(run: (url: string) => Promise<void>): Promise<void> {
  return withOwnDatabase(false, run)
}

/** `isMigrated`: an embedded one may have its tables, which saves making them. */
async function withOwnDatabase(isMigrated: boolean, run: (url: string) => Promise<void>): Promise<void> {
  if (SERVER === undefined) return withDatabase(({ url }) => run(url), { isMigrated })
  const name = `test_${randomBytes(6).toString('hex')}`
  const server = openTestPool(SERVER)
  try {
    await server.query(`CREATE DATABASE ${name}`)
    const url = new URL(SERVER)
    url.pathname = `/${name}`
    try {
      await run(url.href)
    } finally {
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`)
    }
  } finally {
    await server.end()
  }
}
