import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createDatabase, holdsDatabase } from '../../../src/embedded/database/create.ts'
import { Engine, StatementError } from '../../../src/embedded/database/engine.ts'
import { errorText, int32, message, simpleQuery, sync } from '../../../src/embedded/database/frames.ts'
import { FrontEnd } from '../../../src/embedded/database/front-end.ts'
import { Upkeep } from '../../../src/embedded/database/upkeep.ts'
import { connectRaw } from '../../support/raw-postgres.ts'

let home: string
let folder: string
let engine: Engine
before(async () => {
  home = mkdtempSync(join(tmpdir(), 'cnc-monitor-test-'))
  folder = join(home, 'database')
  await createDatabase(folder)
  engine = await Engine.open(folder, { durable: true })
})
after(async () => {
  await engine.close()
  rmSync(home, { recursive: true, force: true })
})

const number = (sql: string) => Number(engine.query(sql)[0]?.[0])

test('a new database is whole and leaves nothing half-made beside it', () => {
  assert.equal(holdsDatabase(folder), true)
  assert.deepEqual(readdirSync(home), ['database'])
})

test('a folder that holds something else, or another version, is refused in a sentence', () => {
  const other = join(home, 'other')
  mkdirSync(other)
  assert.equal(holdsDatabase(other), false)
  writeFileSync(join(other, 'letter.txt'), 'dear reader')
  assert.throws(() => holdsDatabase(other), /is not empty and holds no database/)
  writeFileSync(join(other, 'PG_VERSION'), '16\n')
  assert.throws(() => holdsDatabase(other), /PostgreSQL 16; this program reads PostgreSQL 17/)
  rmSync(other, { recursive: true })
})

test('a folder that cannot be opened is told in a sentence', async () => {
  writeFileSync(join(home, 'file'), '')
  await assert.rejects(
    Engine.open(join(home, 'file', 'below'), { durable: true }),
    /could not be opened: ENOTDIR/,
  )
  rmSync(join(home, 'file'))
})

test('every commit is put on the disk before it is acknowledged, and reading puts nothing there', () => {
  engine.query('CREATE TABLE durable (n int)')
  for (let round = 0; round < 10; round += 1) {
    const before = engine.syncs
    engine.query(`INSERT INTO durable VALUES (${round})`)
    assert.ok(engine.syncs > before, `commit ${round} was not put on the disk`)
  }
  const before = engine.syncs
  engine.query('SELECT count(*) FROM durable')
  assert.equal(engine.syncs, before)
})

test('a COPY FROM that gets as far as the engine fails and does not end it', () => {
  engine.query('CREATE TABLE copied (n int)')
  const simple = engine.execute(simpleQuery('COPY copied FROM STDIN'))
  assert.match(errorText(simple.output) ?? '', /use INSERT/)
  const parts = [
    message('P', '', 'COPY copied FROM STDIN', Buffer.alloc(2)),
    message('B', '', '', Buffer.alloc(6)),
  ]
  const extended = engine.execute(Buffer.concat([...parts, message('E', '', int32(0)), sync()]))
  assert.match(errorText(extended.output) ?? '', /use INSERT/)
  assert.equal(number('SELECT count(*) FROM copied'), 0)
})

test('what the database refuses is an error of its own kind, and the engine goes on', () => {
  assert.throws(() => engine.query('SELECT 1/0'), StatementError)
  assert.equal(number('SELECT 1'), 1)
})

const frontEndOptions = {
  password: 'secret',
  idleTransactionMs: 5_000,
  maxClients: 5,
  maxResultBytes: 1_000_000,
  unreadLimitMs: 300,
  onFree: () => {},
  onUnit: () => {},
  onEngineFailure: (error: unknown) => assert.fail(String(error)),
}

async function withFrontEnd(run: (url: string, frontEnd: FrontEnd) => Promise<void>): Promise<void> {
  const frontEnd = new FrontEnd(engine, frontEndOptions)
  const port = await frontEnd.listen('127.0.0.1', 0)
  try {
    await run(`postgres://postgres:secret@127.0.0.1:${port}/template1`, frontEnd)
  } finally {
    frontEnd.stop()
  }
}

test('a result beyond the limit ends its client with 54000 and rolls its transaction back', () =>
  withFrontEnd(async (url) => {
    engine.query('CREATE TABLE too_large (n int)')
    const client = await connectRaw(url)
    client.send(simpleQuery('BEGIN; INSERT INTO too_large VALUES (1)'))
    await client.until('Z')
    client.send(simpleQuery(`SELECT repeat('x', 2000000)`))
    assert.match((await client.untilEnd())[0]?.text ?? '', /^SFATAL\|VFATAL\|C54000\|/)
    const other = await connectRaw(url)
    other.send(simpleQuery(`SELECT repeat('x', 900000)`))
    assert.equal((await other.until('Z'))[1]?.text.length, 900_006)
    other.destroy()
    assert.equal(number('SELECT count(*) FROM too_large'), 0)
  }))

test('a client that leaves its results unread is cut off in the end', () =>
  withFrontEnd(async (url) => {
    const client = await connectRaw(url)
    client.socket.pause()
    for (let round = 0; round < 30; round += 1) client.send(simpleQuery(`SELECT repeat('x', 900000)`))
    const closed = new Promise((resolve) => client.socket.once('close', resolve))
    await sleep(1_000)
    client.socket.resume()
    await Promise.race([closed, sleep(5_000).then(() => assert.fail('it was not cut off'))])
    await assert.rejects(async () => {
      for (let round = 0; round < 30; round += 1) await client.until('Z')
    }, /The connection ended/)
  }))

test('upkeep waits until no client wants the engine', () =>
  withFrontEnd(async (url, frontEnd) => {
    const client = new pg.Client(url)
    await client.connect()
    const order: string[] = []
    await client.query('BEGIN')
    frontEnd.runLater(() => order.push('upkeep'))
    await client.query('SELECT 1')
    order.push('in the transaction')
    await client.query('COMMIT')
    await client.query('SELECT 1')
    assert.deepEqual(order, ['in the transaction', 'upkeep'])
    await client.end()
  }))

/** Upkeep on a clock of the test's own. */
function upkeepAt(clock: { ms: number }) {
  const logged: string[] = []
  const upkeep = new Upkeep({
    query: (sql) => engine.query(sql),
    later: (work) => work(),
    log: (_level, msg) => logged.push(msg),
    now: () => clock.ms,
  })
  return { upkeep, logged, runDue: () => upkeep.dueWork().forEach((work) => work()) }
}

test('the write-ahead log stays short while rows are inserted without end', () => {
  const { upkeep } = upkeepAt({ ms: 0 })
  engine.query('CREATE TABLE endless (n int, text text)')
  const start = number(`SELECT pg_current_wal_insert_lsn() - '0/0'`)
  let longest = 0
  for (let batch = 0; batch < 60; batch += 1) {
    engine.query(`INSERT INTO endless SELECT n, repeat('x', 200) FROM generate_series(1, 5000) n`)
    upkeep.noteUnit({ bytes: 100, elapsedMs: 50 })
    upkeep.engineFree()
    const segments = readdirSync(join(folder, 'pg_wal'))
    const bytes = segments.reduce((sum, name) => sum + statSync(join(folder, 'pg_wal', name)).size, 0)
    longest = Math.max(longest, bytes)
  }
  const written = number(`SELECT pg_current_wal_insert_lsn() - '0/0'`) - start
  assert.ok(written > 70_000_000, `only ${written} bytes were written`)
  assert.ok(longest < 50_000_000, `the log grew to ${longest} bytes`)
})

test('policies run when they are due, not before, and again after their interval', () => {
  engine.query(`CREATE TABLE old (time timestamptz NOT NULL, n int)`)
  engine.query(`SELECT create_hypertable('old', by_range('time', INTERVAL '1 day'))`)
  engine.query(
    `SELECT add_retention_policy('old', INTERVAL '7 days', schedule_interval => INTERVAL '1 hour')`,
  )
  const insert = () => engine.query(`INSERT INTO old VALUES (now() - INTERVAL '30 days', 1), (now(), 2)`)
  const count = () => number('SELECT count(*) FROM old')
  const clock = { ms: 0 }
  const { runDue, logged } = upkeepAt(clock)
  insert()
  runDue()
  assert.equal(count(), 2)
  clock.ms += 60_000
  runDue()
  assert.equal(count(), 1)
  insert()
  clock.ms += 30 * 60_000
  runDue()
  assert.equal(count(), 3)
  clock.ms += 31 * 60_000
  runDue()
  assert.equal(count(), 2)
  const record = engine.query(
    `SELECT last_run_status, total_runs, total_failures, last_successful_finish > now() - INTERVAL '1 minute', next_start > now() + INTERVAL '59 minutes'
     FROM timescaledb_information.job_stats WHERE hypertable_name = 'old'`,
  )
  assert.deepEqual(record, [['Success', '2', '0', 't', 't']])
  assert.deepEqual(logged, [])
})

test('a continuous aggregate is refreshed by its policy', () => {
  engine.query(`CREATE TABLE raw (time timestamptz NOT NULL, n int)`)
  engine.query(`SELECT create_hypertable('raw', by_range('time', INTERVAL '1 day'))`)
  engine.query(`CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = true)
    AS SELECT time_bucket('1 hour', time) AS hour, sum(n) AS n FROM raw GROUP BY 1 WITH NO DATA`)
  engine.query(`SELECT add_continuous_aggregate_policy('hourly', start_offset => INTERVAL '2 days',
    end_offset => INTERVAL '1 hour', schedule_interval => INTERVAL '5 minutes')`)
  engine.query(`INSERT INTO raw SELECT now() - INTERVAL '5 hours', n FROM generate_series(1, 10) n`)
  const clock = { ms: 0 }
  const { runDue, logged } = upkeepAt(clock)
  runDue()
  assert.equal(number('SELECT coalesce(sum(n), 0) FROM hourly'), 0)
  clock.ms += 60_000
  runDue()
  assert.equal(number('SELECT coalesce(sum(n), 0) FROM hourly'), 55)
  assert.deepEqual(logged, [])
})

test('tables that were written to are vacuumed and analysed after a while', () => {
  engine.query('CREATE TABLE dusty (n int)')
  engine.query('INSERT INTO dusty SELECT generate_series(1, 100000)')
  engine.query('DELETE FROM dusty WHERE n % 2 = 0')
  const clock = { ms: 0 }
  const { upkeep, runDue } = upkeepAt(clock)
  upkeep.noteUnit({ bytes: 1, elapsedMs: 1 })
  const rows = () => number(`SELECT reltuples FROM pg_class WHERE relname = 'dusty'`)
  runDue()
  assert.equal(rows(), -1)
  clock.ms += 11 * 60_000
  runDue()
  assert.equal(rows(), 50_000)
})

test('an upkeep that the database refuses is logged and ends nothing', () => {
  engine.query(
    `CREATE PROCEDURE refuse(job_id int, config jsonb) LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$`,
  )
  engine.query(`CREATE TABLE broken (time timestamptz NOT NULL)`)
  engine.query(`SELECT create_hypertable('broken', by_range('time'))`)
  engine.query(`SELECT add_retention_policy('broken', INTERVAL '7 days')`)
  engine.query(`UPDATE _timescaledb_config.bgw_job SET config = config - 'drop_after' WHERE hypertable_id =
    (SELECT id FROM _timescaledb_catalog.hypertable WHERE table_name = 'broken')`)
  const clock = { ms: 0 }
  const { runDue, logged } = upkeepAt(clock)
  runDue()
  clock.ms += 60_000
  runDue()
  assert.match(logged.join(), /run_job/)
  const errors = () =>
    engine.query(
      `SELECT s.last_run_status, s.last_successful_finish, s.total_failures, count(*), min(e.err_message)
       FROM timescaledb_information.job_stats s JOIN timescaledb_information.job_errors e USING (job_id)
       WHERE s.hypertable_name = 'broken' GROUP BY 1, 2, 3`,
    )
  const [first] = errors()
  assert.deepEqual(first?.slice(0, 4), ['Failed', '-infinity', '1', '1'])
  assert.match(first?.[4] ?? '', /drop_after/)
  for (let day = 0; day < 12; day++) {
    clock.ms += 25 * 3_600_000
    runDue()
  }
  assert.deepEqual(errors()[0]?.slice(0, 4), ['Failed', '-infinity', '13', '10'])
  assert.equal(number('SELECT 1'), 1)
  assert.equal(existsSync(folder), true)
})
