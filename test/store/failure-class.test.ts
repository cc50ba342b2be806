// What kept the database from taking a batch, in one word: from the errors of the real TimescaleDB and driver.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openPool, type Pool } from '../../src/store/pool.ts'
import { failureOf } from '../../src/store/sqlstate.ts'
import { withDatabase, type TestDatabase } from '../support/embedded-database.ts'

async function withPool(
  statementTimeoutMs: number,
  run: (pool: Pool, database: TestDatabase) => Promise<void>,
): Promise<void> {
  await withDatabase(async (database) => {
    const { url } = database
    const pool = openPool({ url, purpose: 'ingest', size: 2, statementTimeoutMs, onError: () => undefined })
    try {
      await run(pool, database)
    } finally {
      await pool.end()
    }
  })
}

async function failureIn(work: Promise<unknown>): Promise<ReturnType<typeof failureOf>> {
  return work.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => failureOf(error),
  )
}

test('what the database says of a statement is told apart from what it says of rows', () =>
  withPool(20_000, async (pool) => {
    await pool.query('CREATE TABLE t (n int CHECK (n > 0), PRIMARY KEY (n))')
    const failure = (statement: string) => failureIn(pool.query(statement))
    assert.deepEqual(await failure('INSERT INTO nowhere VALUES (1)'), { kind: 'fatal', failure: 'schema' })
    assert.deepEqual(await failure('INSERT INTO t VALUES (-1)'), { kind: 'refuse', failure: 'refusal' })
    assert.deepEqual(await failure("INSERT INTO t VALUES ('x')"), { kind: 'refuse', failure: 'refusal' })
    const raised = (state: string) =>
      failure(`DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '${state}'; END $$`)
    assert.deepEqual(await raised('40P01'), { kind: 'retry', failure: 'conflict' })
    assert.deepEqual(await raised('53100'), { kind: 'away', failure: 'resources' })
    assert.deepEqual(await raised('53400'), { kind: 'split', failure: 'limit' })
    assert.deepEqual(await raised('54000'), { kind: 'split', failure: 'limit' })
    assert.deepEqual(await raised('55P03'), { kind: 'retry', failure: 'lock' })
    assert.deepEqual(await raised('57014'), { kind: 'retry', failure: 'timeout' })
    assert.deepEqual(await raised('57P01'), { kind: 'away', failure: 'shutdown' })
    assert.deepEqual(await raised('58030'), { kind: 'away', failure: 'system' })
    assert.deepEqual(await raised('28P01'), { kind: 'fatal', failure: 'authorization' })
    assert.deepEqual(await raised('XX000'), { kind: 'retry', failure: 'internal' })
  }))

test('a database that is gone is a failed connection, in the middle of a query and after it', () =>
  withPool(20_000, async (pool, database) => {
    await pool.query('SELECT 1')
    const inTheMiddle = failureIn(pool.query('SELECT pg_sleep(20)'))
    await database.kill()
    assert.deepEqual(await inTheMiddle, { kind: 'away', failure: 'connection' })
    assert.deepEqual(await failureIn(pool.query('SELECT 1')), { kind: 'away', failure: 'connection' })
  }))

test('a database that is frozen is a timeout, for a query and for a new connection', () =>
  withPool(1, async (pool, database) => {
    await pool.query('SELECT 1')
    process.kill(database.pid, 'SIGSTOP')
    try {
      assert.deepEqual(await failureIn(pool.query('SELECT 1')), { kind: 'away', failure: 'timeout' })
      assert.deepEqual(await failureIn(pool.query('SELECT 1')), { kind: 'away', failure: 'timeout' })
    } finally {
      process.kill(database.pid, 'SIGCONT')
    }
  }))
