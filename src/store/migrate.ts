// Migrations: numbered, forward-only SQL files, each applied once.
//
// Two monitors that start at once take turns on the lock of the table of migrations; a migration and its
// entry are committed together. A file that begins with "-- no transaction" holds one statement that cannot
// run inside one; it is written so that running it twice does no harm, so a start cut off in it resumes.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsageError } from '../errors.ts'
import { inTransaction, type Pool } from './pool.ts'

const OLDEST_TIMESCALEDB = [2, 20] as const
const UNAVAILABLE = new Set(['58P01', '0A000', '42704'])

export interface Migration {
  readonly name: string
  readonly sql: string
}

/** The migrations of a folder, in the order of their numbers. */
export async function readMigrations(folder: string): Promise<Migration[]> {
  const files = (await readdir(folder)).filter((file) => /^\d{4}-[\w-]+\.sql$/.test(file)).sort()
  return Promise.all(
    files.map(async (file) => ({ name: file.slice(0, -4), sql: await readFile(join(folder, file), 'utf8') })),
  )
}

/** Applies what is missing. Throws UsageError when the server is not one this program can use. */
export async function migrate(
  pool: Pool,
  migrations: readonly Migration[],
  onApplied: (name: string) => void,
): Promise<void> {
  await createMigrationsTable(pool)
  for (const migration of migrations) {
    if (await apply(pool, migration)) onApplied(migration.name)
  }
  await checkTimescale(pool)
}

async function createMigrationsTable(pool: Pool): Promise<void> {
  const sql = `CREATE TABLE IF NOT EXISTS schema_migrations
    (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`
  // IF NOT EXISTS does not hold against a second session that creates it at the same instant.
  await pool.query(sql).catch((error: unknown) => {
    if ((error as { code?: string }).code === '23505' || (error as { code?: string }).code === '42P07') return
    throw error
  })
}

async function apply(pool: Pool, { name, sql }: Migration): Promise<boolean> {
  const done = await pool.query('SELECT FROM schema_migrations WHERE name = $1', [name])
  if (done.rowCount !== 0) return false
  if (sql.startsWith('-- no transaction')) {
    await pool.query(sql).catch((error: unknown) => Promise.reject(asUsageError(error)))
    const entry = await pool.query(
      'INSERT INTO schema_migrations (name) VALUES ($1) ON CONFLICT DO NOTHING',
      [name],
    )
    return entry.rowCount === 1
  }
  return inTransaction(pool, async (client) => {
    await client.query('LOCK TABLE schema_migrations IN EXCLUSIVE MODE')
    const already = await client.query('SELECT FROM schema_migrations WHERE name = $1', [name])
    if (already.rowCount !== 0) return false
    await client.query(sql)
    await client.query('INSERT INTO schema_migrations (name) VALUES ($1)', [name])
    return true
  })
}

async function checkTimescale(pool: Pool): Promise<void> {
  const { rows } = await pool.query<{ extversion: string }>(
    "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
  )
  const version = rows[0]?.extversion ?? '0'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = OLDEST_TIMESCALEDB
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return
  throw new UsageError(
    `The database has TimescaleDB ${version}; this program needs ${OLDEST_TIMESCALEDB.join('.')} or newer. ` +
      `Update it ("ALTER EXTENSION timescaledb UPDATE" after installing the newer package).`,
  )
}

function asUsageError(error: unknown): unknown {
  const { code, message } = error as { code?: string; message: string }
  if (code !== undefined && UNAVAILABLE.has(code)) {
    return new UsageError(
      `The database server has no TimescaleDB (${message}). Install it (https://docs.tigerdata.com/self-hosted), ` +
        `point DATABASE_URL at a server that has it, or leave DATABASE_URL out to use the embedded one.`,
    )
  }
  if (code === '42501') {
    return new UsageError(
      `The database user may not create the extension (${message}). Let an administrator run ` +
        `"CREATE EXTENSION timescaledb" in this database once.`,
    )
  }
  return error
}
