// What kept the database from taking a batch, in one word: from the errors of the real TimescaleDB and driver.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { openPool, type Pool } from '../../src/store/pool.ts'
import { failureOf } from '../../src/store/sqlstate.ts'
import { withCutProxy } from '../support/cut-proxy.ts'
import { withDatabase, type TestDatabase } from '../support/embedded-database.ts'
import { until } from '../support/monitor.ts'
import { freePort } from '../support/ports.ts'

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

const connection = { kind: 'away', failure: 'connection' }

/** A pool on this URL, of which the first query fails. */
async function failureAt(url: string): Promise<ReturnType<typeof failureOf>> {
  const pool = openPool({
    url,
    purpose: 'ingest',
    size: 1,
    statementTimeoutMs: 1_000,
    onError: () => undefined,
  })
  try {
    return await failureIn(pool.query('SELECT 1'))
  } finally {
    await pool.end()
  }
}

/** A peer that answers whatever is said first with these bytes, and goes. */
async function withPeer(answer: Buffer, run: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => socket.end(answer))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  try {
    await run(`postgres://u@127.0.0.1:${(server.address() as AddressInfo).port}/d`)
  } finally {
    server.close()
  }
}

test('a server that cannot be reached is a failed connection, whatever keeps it from being reached', async () => {
  const port = await freePort()
  assert.deepEqual(await failureAt(`postgres://u@127.0.0.1:${port}/d`), connection)
  // Several addresses, each of which refuses.
  assert.deepEqual(await failureAt(`postgres://u@localhost:${port}/d`), connection)
  assert.deepEqual(await failureAt('postgres://u@nowhere.invalid/d'), connection)
  assert.deepEqual(await failureAt('postgres://u@%2Fnowhere/d'), connection)
})

test('a peer that speaks no PostgreSQL, or no TLS, is a failed connection', async () => {
  await withPeer(Buffer.alloc(0), async (url) => {
    assert.deepEqual(await failureAt(url), connection)
    assert.deepEqual(await failureAt(`${url}?sslmode=verify-full`), connection)
  })
  await withPeer(Buffer.from('N'), async (url) => {
    assert.deepEqual(await failureAt(`${url}?sslmode=verify-full`), connection)
  })
  await withPeer(Buffer.from('E'), async (url) => {
    assert.deepEqual(await failureAt(`${url}?sslmode=verify-full`), connection)
  })
  await withPeer(Buffer.from('S this is no handshake at all'), async (url) => {
    assert.deepEqual(await failureAt(`${url}?sslmode=verify-full`), connection)
  })
})

test('a connection that is cut is a failed one, in a query, between two of a transaction, and by ourselves', () =>
  withPool(20_000, async (_pool, { url }) =>
    withCutProxy(url, async (proxy) => {
      const pool = openPool({
        url: proxy.url,
        purpose: 'ingest',
        size: 1,
        statementTimeoutMs: 20_000,
        onError: () => undefined,
      })
      await pool.query('SELECT 1')
      const inTheMiddle = failureIn(pool.query('SELECT pg_sleep(20)'))
      await until('the query is under way', () => proxy.cut() > 0)
      assert.deepEqual(await inTheMiddle, connection)
      const client = await pool.connect()
      client.on('error', () => undefined)
      await client.query('BEGIN')
      proxy.cut()
      await new Promise<void>((resolve) => client.once('end', resolve))
      assert.deepEqual(await failureIn(client.query('SELECT 1')), connection)
      client.release(true)
      await pool.end()
      assert.deepEqual(await failureIn(pool.query('SELECT 1')), connection)
    }),
  ))

test("an exception of this program's own is a mistake and no outage, also one that Node gives a code", async () => {
  const mistake = { kind: 'mistake', failure: 'mistake' }
  const thrown = (work: () => unknown) => failureIn(Promise.resolve().then(work))
  assert.deepEqual(await thrown(() => (undefined as unknown as string).length), mistake)
  assert.deepEqual(await thrown(() => Buffer.alloc(1).writeInt8(1, 5)), mistake)
  assert.deepEqual(await thrown(() => Buffer.from(5 as never)), mistake)
  assert.deepEqual(await thrown(() => BigInt(0.5)), mistake)
  assert.deepEqual(await thrown(() => assert.equal(1, 2)), mistake)
  assert.deepEqual(await thrown(() => Promise.reject(new Error('in words of our own'))), mistake)
  for (const nothing of [undefined, null, 'text']) assert.deepEqual(failureOf(nothing), mistake)
})

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
