// The COPY way of writing, on a server that takes COPY.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { settle } from '../../src/ingest/settle.ts'
import type { DecodedMessage, WriteOutcome } from '../../src/pipeline-types.ts'
import { takesCopy } from '../../src/store/copy-in.ts'
import { listDeadLetters } from '../../src/store/dead-letters.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import type { Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { goldenCases } from '../golden/cases.ts'
import { delivered } from '../support/delivered.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { rowsAsText } from '../support/rows.ts'
import { openTestPool, sinkOn } from '../support/store.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

/** Skips aloud without a server. */
async function withServer(t: TestContext, run: (pool: Pool) => Promise<void>): Promise<void> {
  await withNativeDatabase(t, async (url) => {
    const pool = openTestPool(url)
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      assert.ok(await takesCopy(pool))
      await run(pool)
    } finally {
      await pool.end()
    }
  })
}

const copying = (pool: Pool, copies = true) => sinkOn(pool, { copies })

async function written(
  pool: Pool,
  batch: readonly DecodedMessage[],
): Promise<WriteOutcome & { kind: 'committed' }> {
  const outcome = await writeTogether(copying(pool), batch)
  if (outcome.kind !== 'committed') assert.fail(outcome.reason)
  return outcome
}

const reading = (i: number, state = 'RUNNING') => ({
  machine_id: `M${i % 7}`,
  timestamp: '2026-03-01T11:00:00.123456Z',
  temperature: i / 4,
  machine_state: state,
})

async function counts(pool: Pool): Promise<unknown> {
  const { rows } = await pool.query(
    `SELECT (SELECT count(*) FROM sensor_data)::int AS readings, (SELECT count(*) FROM dead_letters)::int AS letters,
       (SELECT count(DISTINCT (message_id, position)) FROM sensor_data)::int AS identities`,
  )
  return rows[0]
}

test('what was never delivered before is copied, what was is inserted', (t) =>
  withServer(t, async (pool) => {
    // The rows themselves say which statement brought them: a copy that never works must not go unseen.
    await pool.query(
      `CREATE FUNCTION say() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN NEW.program := split_part(current_query(), ' ', 1); RETURN NEW; END $$`,
    )
    await pool.query('CREATE TRIGGER says BEFORE INSERT ON sensor_data FOR EACH ROW EXECUTE FUNCTION say()')
    const again = delivered(reading(4), 4, { deliveryCount: 2 })
    await written(pool, [delivered(reading(1), 1), delivered([reading(2), 'bad', reading(2)], 2)])
    await written(pool, [delivered(reading(3), 3), again])
    const { rows } = await pool.query<{ program: string }>(
      'SELECT program FROM sensor_data ORDER BY message_id',
    )
    assert.deepEqual(
      rows.map(({ program }) => program),
      ['COPY', 'COPY', 'COPY', 'INSERT', 'INSERT'],
    )
  }))

test('a batch that is copied again is stored once, whole or in part, and only the rest is added', (t) =>
  withServer(t, async (pool) => {
    // Delivered for the first time, as far as anybody says: a server may have lost its count.
    const batch = Array.from({ length: 1_000 }, (_, i) =>
      delivered(i % 10 === 0 ? [reading(i), 'bad', reading(i)] : reading(i), i + 1),
    )
    assert.equal((await written(pool, batch.slice(0, 500))).stored, 550)
    assert.equal((await written(pool, batch.slice(0, 500))).stored, 0)
    assert.equal((await written(pool, batch)).stored, 550)
    assert.equal((await written(pool, batch.toReversed())).stored, 0)
    assert.deepEqual(await counts(pool), { readings: 1_100, letters: 100, identities: 1_100 })
  }))

test('two writers that copy the same batch at once store it once', (t) =>
  withServer(t, async (pool) => {
    const batch = Array.from({ length: 2_000 }, (_, i) => delivered(reading(i), i + 1))
    const outcomes = await Promise.all([batch, batch, batch].map((same) => written(pool, same)))
    assert.equal(
      outcomes.reduce((sum, { stored }) => sum + stored, 0),
      2_000,
    )
    assert.deepEqual(await counts(pool), { readings: 2_000, letters: 0, identities: 2_000 })
  }))

test('one row of ten thousand that only the database refuses costs that row alone', (t) =>
  withServer(t, async (pool) => {
    await pool.query("ALTER TABLE sensor_data ADD CHECK (machine_state <> 'FORBIDDEN')")
    const forbidden = 6_173
    const batch = Array.from({ length: 10_000 }, (_, i) =>
      delivered(reading(i, i === forbidden ? 'FORBIDDEN' : 'RUNNING'), i + 1),
    )
    const outcome = await written(pool, batch)
    settle(batch, outcome)
    assert.equal(outcome.stored, 9_999)
    assert.deepEqual(
      batch.flatMap(({ answers }, i) => (answers.join() === 'ack' ? [] : [[i, ...answers]])),
      [[forbidden, 'term']],
    )
    const [letter, ...others] = await listDeadLetters(pool, 10)
    assert.deepEqual(others, [])
    const { sequence, position, code, reason, subject } = letter ?? assert.fail()
    assert.deepEqual(
      { sequence, position, code, subject },
      { sequence: forbidden + 1, position: 0, code: 'refused_by_database', subject: 'CNC_DATA.test' },
    )
    assert.match(reason, /^the database refused this reading: .*check constraint/)
    const { rows } = await pool.query<{ payload: Buffer }>('SELECT payload FROM dead_letters')
    assert.deepEqual(JSON.parse(rows[0]?.payload.toString() ?? ''), reading(forbidden, 'FORBIDDEN'))
    assert.deepEqual(await counts(pool), { readings: 9_999, letters: 1, identities: 9_999 })
  }))

test('nobody asks for the readings of a usual batch again once they are added; of one that is there already somebody does', (t) =>
  withServer(t, async (pool) => {
    const sink = copying(pool)
    await writeTogether(sink, [delivered(reading(0), 1)])
    const batch = Array.from({ length: 50 }, (_, i) => delivered([reading(i), 'bad'], i + 2))
    let asked = 0
    const held = batch.map((message) => ({
      ...message,
      get readings() {
        asked += 1
        return message.readings
      },
    }))
    for (const stored of [50, 0]) {
      const open = sink.open()
      for (const message of batch) open.add(message)
      const outcome = await open.write(held)
      assert.ok(outcome.kind === 'committed' && outcome.stored === stored)
      assert.equal(asked > 0, stored === 0)
    }
    assert.deepEqual(await counts(pool), { readings: 51, letters: 50, identities: 51 })
  }))

test('what is copied is equal to what is inserted, for every golden input', (t) =>
  withServer(t, async (pool) => {
    const batch = goldenCases().map(({ message }, i) =>
      delivered(message, i + 1, { receivedAtMs: 1_772_366_400_123.457 }),
    )
    const tables: string[][] = []
    // The second time it knows the incarnation: rows are made as messages are added, and not when they are written.
    const copier = copying(pool)
    for (const sink of [copying(pool, false), copier, copier]) {
      await pool.query('TRUNCATE sensor_data; TRUNCATE dead_letters CASCADE')
      const outcome = await writeTogether(sink, batch)
      assert.equal(outcome.kind, 'committed')
      tables.push(await rowsAsText(pool))
    }
    const [inserted = [], ...copied] = tables
    assert.ok(inserted.length > 30, `${inserted.length}`)
    for (const table of copied) assert.deepEqual(table, inserted)
  }))
