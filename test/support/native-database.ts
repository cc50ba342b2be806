// A database of a test's own on the PostgreSQL server that TEST_DATABASE_URL names, for what the embedded
// database cannot do: several sessions at once.
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import pg from 'pg'

/** Runs `run` with the URL of a fresh database, which is dropped in the end; skips aloud without a server. */
export async function withNativeDatabase(t: TestContext, run: (url: string) => Promise<void>): Promise<void> {
  const server = process.env['TEST_DATABASE_URL']
  if (server === undefined || server === '') {
    return t.skip('TEST_DATABASE_URL names no PostgreSQL server with TimescaleDB; this needs one')
  }
  const name = `cnc_test_${randomBytes(6).toString('hex')}`
  await administer(server, `CREATE DATABASE ${name}`)
  const url = new URL(server)
  url.pathname = `/${name}`
  try {
    await run(url.href)
  } finally {
    await administer(server, `DROP DATABASE ${name} WITH (FORCE)`)
  }
}

/** Ends every session of the monitors in this database; resolves to how many there were. */
export async function endSessions(url: string): Promise<number> {
  const rows = await administer(
    url,
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'cnc-monitor%'`,
  )
  return rows.length
}

async function administer(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}
