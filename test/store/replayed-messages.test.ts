// Replays of dead letters in the sink, against the real TimescaleDB. Set TEST_DATABASE_URL to run it on a server,
// where two sinks really are at work at once.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { settle } from '../../src/ingest/settle.ts'
import type { Sink } from '../../src/pipeline-types.ts'
import { findDeadLetter, listDeadLetters } from '../../src/store/dead-letters.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { inTransaction, openPool, type Pool } from '../../src/store/pool.ts'
import { sinkWithReplays } from '../../src/store/replayed-messages.ts'
import { requestReplays } from '../../src/store/replays.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { type Answered, delivered } from '../support/delivered.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { openTestPool, sinkOn as plainSinkOn, withStore } from '../support/store.ts'
import { storedReadings } from '../support/stored-readings.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

const onMistake = (mistake: unknown) => assert.fail(mistake as Error)
const sinkOn = (pool: Pool) => sinkWithReplays({ pool, ready: pool, sink: plainSinkOn(pool), onMistake })
const good = (machine = 'M', minute = '00') => ({
  machine_id: machine,
  timestamp: `2026-03-01T11:${minute}:00Z`,
})
const bad = { ...good(), temperature: 'warm' }

/** Writes the messages as the pipeline does; resolves to the rows they added. */
async function write(sink: Sink, ...batch: Answered[]): Promise<number> {
  const outcome = await writeTogether(sink, batch)
  if (outcome.kind !== 'committed') assert.fail(outcome.reason)
  settle(batch, outcome)
  return outcome.stored
}

/** Asks for a replay of a dead letter; `payload`: what is sent instead. The message that the stream then delivers. */
async function replayed(
  pool: Pool,
  id: string,
  sequence: number,
  payload: object | string | null = null,
): Promise<Answered> {
  const bytes =
    payload === null ? null : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))
  const [requested] = await requestReplays(pool, [id], bytes, 'ann')
  if (requested === undefined) assert.fail(`dead letter ${id} cannot be replayed`)
  return delivered(requested.payload, sequence, { replayOf: requested.origin })
}

async function onlyLetter(pool: Pool) {
  const letters = await listDeadLetters(pool, 10)
  assert.equal(letters.length, 1, JSON.stringify(letters))
  return letters[0] ?? assert.fail()
}

async function replaysOf(pool: Pool, id: string) {
  const letter = (await findDeadLetter(pool, id)) ?? assert.fail()
  return letter.replays.map((one) => [one.outcome, one.outcome_code, one.requested_by] as const)
}

/** What makes a row the one it is. */
async function identities(pool: Pool): Promise<{ sequence: number; position: number }[]> {
  const { rows } = await pool.query<{ sequence: number; position: number }>(
    'SELECT (message_id & ((1::int8 << 46) - 1))::int4 AS sequence, position FROM sensor_data ORDER BY 1, 2',
  )
  return rows
}

test('a replay of what is still wrong is refused again, on record, without a second dead letter', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    const again = await replayed(pool, id, 2)
    assert.equal((await onlyLetter(pool)).state, 'pending')
    assert.equal(await write(sink, again), 0)
    assert.deepEqual(again.answers, ['term'])
    const letter = await onlyLetter(pool)
    assert.equal(letter.state, 'open')
    assert.equal(letter.code, 'wrong_type')
    assert.match(letter.last_replay?.outcome_reason ?? '', /temperature/)
    assert.deepEqual(await replaysOf(pool, id), [['refused', 'wrong_type', 'ann']])
  }))

test('a corrected replay is stored once, whatever is replayed or delivered again', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    const original = delivered(bad, 1)
    await write(sink, original)
    const { id } = await onlyLetter(pool)
    const first = await replayed(pool, id, 2, { ...good(), temperature: 1 })
    // Asked for before the first one is handled, with another time: another primary key.
    const second = await replayed(pool, id, 3, { ...good('M', '30'), temperature: 2 })
    assert.equal(await write(sink, first), 1)
    const { rows: late } = await pool.query('SELECT hour FROM late_hours')
    assert.deepEqual(late, [{ hour: new Date('2026-03-01T11:00:00Z') }])
    assert.equal(await write(sink, first), 0)
    assert.equal(await write(sink, second), 0)
    assert.equal(await write(sink, original), 0)
    assert.equal(await write(sink, first, second, original), 0)
    assert.deepEqual(first.answers, ['ack', 'ack', 'ack'])
    assert.deepEqual(second.answers, ['ack', 'ack'])
    assert.deepEqual(await storedReadings(pool, 'M'), [{ ...good(), temperature: 1 }])
    assert.deepEqual(await identities(pool), [{ sequence: 1, position: 0 }])
    assert.equal((await onlyLetter(pool)).state, 'stored')
    assert.deepEqual(await replaysOf(pool, id), [
      ['stored', 'already_stored', 'ann'],
      ['stored', null, 'ann'],
    ])
    assert.deepEqual(await requestReplays(pool, [id], null, null), [])
  }))

test('two replays of one dead letter, handled at once by two sinks, store one', () =>
  withStore(async (pool, url) => {
    const other = openTestPool(url)
    try {
      const sinks = [sinkOn(pool), sinkOn(other)] as const
      for (let round = 0; round < 10; round++) {
        const sequence = round * 10
        await write(sinks[0], delivered({ ...bad, round }, sequence + 1))
        const [letter] = await listDeadLetters(pool, 1)
        const both = await Promise.all(
          sinks.map((_, i) => replayed(pool, letter?.id ?? '', sequence + 2 + i, good(`M${round}`, `1${i}`))),
        )
        const stored = await Promise.all(sinks.map((sink, i) => write(sink, both[i] ?? assert.fail())))
        assert.equal(
          stored.reduce((a, b) => a + b),
          1,
        )
        assert.equal((await storedReadings(pool, `M${round}`)).length, 1)
      }
    } finally {
      await other.end()
    }
  }))

test('a corrected element of an array goes alone and keeps its place; its siblings stay as they are', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    const original = delivered([good('A'), bad, good('B')], 1)
    assert.equal(await write(sink, original), 2)
    const { id, in_array, position, machine_id } = await onlyLetter(pool)
    assert.deepEqual({ in_array, position, machine_id }, { in_array: true, position: 1, machine_id: 'M' })
    const many = await replayed(pool, id, 2, [good('C'), good('D')])
    assert.equal(await write(sink, many), 0)
    assert.deepEqual(many.answers, ['term'])
    assert.match((await onlyLetter(pool)).last_replay?.outcome_reason ?? '', /must be one JSON object/)
    assert.equal(await write(sink, await replayed(pool, id, 3, good('A'))), 1)
    assert.equal(await write(sink, original), 0)
    assert.deepEqual(await identities(pool), [
      { sequence: 1, position: 0 },
      { sequence: 1, position: 1 },
      { sequence: 1, position: 2 },
    ])
    assert.deepEqual(await storedReadings(pool, 'A'), [good('A'), good('A')])
    assert.deepEqual(await storedReadings(pool, 'C'), [])
  }))

test('a nested array is not let in by replaying it as it is', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered([[good('X')], good('A')], 1))
    const { id } = await onlyLetter(pool)
    assert.equal(await write(sink, await replayed(pool, id, 2)), 0)
    assert.deepEqual(await replaysOf(pool, id), [['refused', 'wrong_root', 'ann']])
    assert.deepEqual(await storedReadings(pool, 'X'), [])
  }))

test('a whole message may be corrected to an array, and is stored whole or not at all', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered('[{"machine_id":"A"', 1))
    const { id, in_array } = await onlyLetter(pool)
    assert.equal(in_array, false)
    const half = await replayed(pool, id, 2, [good('A'), bad, good('B')])
    assert.equal(await write(sink, half), 0)
    assert.deepEqual(half.answers, ['term'])
    assert.deepEqual(await identities(pool), [])
    assert.match(
      (await onlyLetter(pool)).last_replay?.outcome_reason ?? '',
      /reading 2 of 3.*nothing of the replay/,
    )
    assert.equal(await write(sink, await replayed(pool, id, 3, [good('A'), good('B')])), 2)
    assert.deepEqual(await identities(pool), [
      { sequence: 1, position: 0 },
      { sequence: 1, position: 1 },
    ])
    const { rows } = await pool.query<{ received: boolean; machines: string }>(
      `SELECT bool_and(s.received_at = d.received_at) AS received, (SELECT count(*) FROM machines) AS machines
       FROM sensor_data s JOIN dead_letters d USING (message_id)`,
    )
    assert.deepEqual(rows, [{ received: true, machines: '2' }], 'it was received when the original was')
  }))

test('a replay that only the database refuses is on record and costs the batch nothing', () =>
  withStore(async (pool) => {
    await pool.query("ALTER TABLE sensor_data ADD CHECK (machine_state <> 'FORBIDDEN')")
    const sink = sinkOn(pool)
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    const replay = await replayed(pool, id, 2, { ...good(), machine_state: 'FORBIDDEN' })
    const other = delivered(good('OTHER'), 3)
    assert.equal(await write(sink, other, replay), 1)
    assert.deepEqual([replay.answers, other.answers], [['term'], ['ack']])
    assert.deepEqual(await replaysOf(pool, id), [['refused', 'refused_by_database', 'ann']])
    assert.equal((await onlyLetter(pool)).state, 'open')
  }))

test('a replay that fails again and again against a database that is well is refused the sixth time', () =>
  withStore(async (pool) => {
    await pool.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'the marked one' USING ERRCODE = NEW.program; END $$`)
    await pool.query(`CREATE TRIGGER fails BEFORE INSERT ON sensor_data FOR EACH ROW
      WHEN (NEW.program IS NOT NULL) EXECUTE FUNCTION fail()`)
    const sink = sinkOn(pool)
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    for (const [i, sqlstate] of ['XX000', '40P01', '54000'].entries()) {
      const replay = await replayed(pool, id, 2 + i, { ...good(), program: sqlstate })
      const again = (deliveryCount: number): Answered => ({
        ...replay,
        delivery: { ...replay.delivery, deliveryCount },
      })
      for (let count = 1; count <= 5; count++) await write(sink, again(count), delivered(good('OTHER'), 100))
      assert.deepEqual(replay.answers, ['nak', 'nak', 'nak', 'nak', 'nak'], sqlstate)
      assert.equal((await onlyLetter(pool)).state, 'pending')
      await write(sink, again(6))
      assert.equal(replay.answers.at(-1), 'term')
      const { state, last_replay: last } = await onlyLetter(pool)
      assert.deepEqual([state, last?.outcome], ['open', 'refused'])
      assert.match(last?.outcome_reason ?? '', /refused a reading of the replay: the marked one/)
      assert.deepEqual((await replaysOf(pool, id))[0], ['refused', 'refused_by_database', 'ann'])
    }
    assert.equal(await write(sink, await replayed(pool, id, 10, good())), 1)
  }))

test('a replay on which this program fails itself is refused in the end, and says so', () =>
  withStore(async (pool) => {
    const mistakes: unknown[] = []
    const sink = sinkWithReplays({
      pool,
      ready: pool,
      sink: plainSinkOn(pool),
      onMistake: (mistake) => mistakes.push(mistake),
    })
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    const replay = await replayed(pool, id, 2, good())
    const readings = replay.readings.map((one) => ({
      ...one,
      reading: { ...one.reading, program: 5 as never },
    }))
    for (const deliveryCount of [1, 6]) {
      await write(sink, { ...replay, readings, delivery: { ...replay.delivery, deliveryCount } })
      assert.ok(mistakes.pop() instanceof TypeError)
    }
    assert.deepEqual(replay.answers, ['nak', 'term'])
    assert.deepEqual(await replaysOf(pool, id), [['refused', 'internal_error', 'ann']])
  }))

test('a replay whose dead letter somebody else holds waits, however often it was delivered', (t) =>
  withNativeDatabase(t, async (url) => {
    const pool = openPool({
      url,
      purpose: 'ingest',
      size: 4,
      statementTimeoutMs: 300,
      onError: () => undefined,
    })
    const holder = openTestPool(url)
    try {
      await migrate(holder, await readMigrations(MIGRATIONS), () => undefined)
      const sink = sinkOn(pool)
      await write(sink, delivered(bad, 1))
      const { id } = await onlyLetter(pool)
      const replay = await replayed(pool, id, 2, good())
      const often = { ...replay, delivery: { ...replay.delivery, deliveryCount: 9 } }
      await inTransaction(holder, async (client) => {
        await client.query('SELECT FROM dead_letters FOR UPDATE')
        assert.equal(await write(sink, often), 0)
      })
      assert.equal(await write(sink, often), 1)
      assert.deepEqual(replay.answers, ['nak', 'ack'])
      assert.deepEqual(await identities(pool), [{ sequence: 1, position: 0 }])
    } finally {
      await pool.end()
      await holder.end()
    }
  }))

test('a header that nobody asked for makes an ordinary message of it, good or bad', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered([bad, good('SIBLING')], 1))
    const { id } = await onlyLetter(pool)
    const asked = await replayed(pool, id, 2)
    const origin = asked.delivery.replayOf ?? assert.fail()
    const replayId = '00000000-0000-4000-8000-000000000000'
    const madeUp = [
      // A dead letter that is there, an attempt that is not.
      { ...origin, replayId },
      // No dead letter there: a reading that is stored, a message yet to come, a stream nobody knows.
      { ...origin, position: 7, messageId: String(BigInt(origin.messageId) + 1_000n) },
      { ...origin, messageId: '9223372036854775807' },
    ]
    for (const [i, replayOf] of madeUp.entries()) {
      const sequence = 10 + i * 2
      assert.equal(await write(sink, delivered(good('FORGED', `0${i}`), sequence, { replayOf })), 1)
      await write(sink, delivered({ machine_id: `BAD${i}` }, sequence + 1, { replayOf }))
      const [newest] = await listDeadLetters(pool, 1)
      assert.deepEqual([newest?.machine_id, newest?.sequence], [`BAD${i}`, sequence + 1])
    }
    const kept = await identities(pool)
    assert.deepEqual(kept, [
      { sequence: 1, position: 1 },
      { sequence: 10, position: 0 },
      { sequence: 12, position: 0 },
      { sequence: 14, position: 0 },
    ])
    assert.deepEqual(await replaysOf(pool, id), [['pending', null, 'ann']])
  }))

test('a replay whose dead letter was removed meanwhile is stored once, as the reading of the original', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered([good('A'), bad], 1))
    const { id } = await onlyLetter(pool)
    const replay = await replayed(pool, id, 2, good('LATE'))
    await pool.query('DELETE FROM dead_letters')
    assert.equal(await write(sink, replay), 1)
    assert.equal(await write(sink, replay), 0)
    assert.deepEqual(replay.answers, ['ack', 'ack'])
    // One that nobody asked for looks the same: it is stored too, and takes nobody's place.
    const replayOf = { ...(replay.delivery.replayOf ?? assert.fail()), position: 0 }
    assert.equal(await write(sink, delivered(good('FORGED'), 3, { replayOf })), 1)
    assert.equal((await storedReadings(pool, 'A')).length, 1)
    assert.deepEqual(await identities(pool), [
      { sequence: 1, position: 0 },
      { sequence: 1, position: 0 },
      { sequence: 1, position: 1 },
    ])
  }))

test('a removed dead letter whose replay is bad comes back as a dead letter: nothing is lost', () =>
  withStore(async (pool) => {
    await pool.query("ALTER TABLE sensor_data ADD CHECK (machine_state <> 'FORBIDDEN')")
    const sink = sinkOn(pool)
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    const stillBad = await replayed(pool, id, 2)
    const forbidden = await replayed(pool, id, 3, { ...good(), machine_state: 'FORBIDDEN' })
    await pool.query('DELETE FROM dead_letters')
    assert.equal(await write(sink, stillBad, forbidden), 0)
    const letters = await listDeadLetters(pool, 10)
    assert.deepEqual(letters.map(({ code }) => code).toSorted(), ['refused_by_database', 'wrong_type'])
  }))

test('a replay that was taken although its publisher was told otherwise gets its true outcome', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    await write(sink, delivered(bad, 1))
    const { id } = await onlyLetter(pool)
    const replay = await replayed(pool, id, 2, good())
    await pool.query("UPDATE dead_letter_replays SET outcome = 'failed', outcome_reason = 'no answer'")
    assert.equal((await onlyLetter(pool)).state, 'open')
    assert.equal(await write(sink, replay), 1)
    assert.deepEqual(await replaysOf(pool, id), [['stored', null, 'ann']])
  }))
