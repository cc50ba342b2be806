// What a batch costs that fails, by the kind of failure: from errors of the real TimescaleDB, which a trigger
// raises for marked readings.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { settle } from '../../src/ingest/settle.ts'
import type { MessageInBatch, WriteOutcome } from '../../src/pipeline-types.ts'
import { listDeadLetters } from '../../src/store/dead-letters.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import type { Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { delivered, type Answered } from '../support/delivered.ts'
import { openTestPool, sinkOn } from '../support/store.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

async function withTables(run: (pool: Pool) => Promise<void>): Promise<void> {
  await withDatabase(async ({ url }) => {
    const pool = openTestPool(url)
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      await run(pool)
    } finally {
      await pool.end()
    }
  })
}

/** Every insert of a marked reading fails with this SQLSTATE; and everything before is gone. */
async function failWith(pool: Pool, sqlstate: string): Promise<void> {
  await pool.query(
    'TRUNCATE sensor_data; TRUNCATE dead_letters CASCADE; DROP TRIGGER IF EXISTS fails ON sensor_data',
  )
  await pool.query(
    `CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'the marked one' USING ERRCODE = '${sqlstate}'; END $$`,
  )
  await pool.query(
    `CREATE TRIGGER fails BEFORE INSERT ON sensor_data FOR EACH ROW
     WHEN (NEW.program = 'MARKED') EXECUTE FUNCTION fail()`,
  )
}

const good = { machine_id: 'M', timestamp: '2026-03-01T11:00:00Z' }
const marked = { ...good, program: 'MARKED' }

/** Forty messages, the marked one among them, all delivered so often. */
function batchWith(one: object, deliveryCount: number): { batch: Answered[]; faulty: Answered } {
  const faulty = delivered(one, 18, { deliveryCount })
  const batch = Array.from({ length: 40 }, (_, i) =>
    i === 17 ? faulty : delivered(good, i + 1, { deliveryCount }),
  )
  return { batch, faulty }
}

async function write(pool: Pool, batch: readonly MessageInBatch[]): Promise<WriteOutcome> {
  return writeTogether(sinkOn(pool), batch)
}

async function committed(
  pool: Pool,
  batch: readonly MessageInBatch[],
): Promise<WriteOutcome & { kind: 'committed' }> {
  const outcome = await write(pool, batch)
  if (outcome.kind !== 'committed') assert.fail(`${outcome.kind}: ${outcome.reason}`)
  settle(batch, outcome)
  return outcome
}

async function stored(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int FROM sensor_data')
  return rows[0]?.count ?? NaN
}

async function letters(pool: Pool): Promise<unknown[]> {
  return (await listDeadLetters(pool, 100)).map(({ sequence, position, code, reason }) => ({
    sequence,
    position,
    code,
    names: reason.includes('the marked one'),
  }))
}

const letterOf = (sequence: number, position: number) => ({
  sequence,
  position,
  code: 'refused_by_database',
  names: true,
})

test('what is too much for the database is split until one row stands alone, which becomes a dead letter', () =>
  withTables(async (pool) => {
    for (const sqlstate of ['54000', '53400']) {
      await failWith(pool, sqlstate)
      const { batch, faulty } = batchWith(marked, 1)
      const outcome = await committed(pool, batch)
      assert.equal(outcome.stored, 39, sqlstate)
      assert.equal(outcome.postponed.size, 0)
      assert.deepEqual([...outcome.refused.keys()], [faulty])
      assert.deepEqual(faulty.answers, ['term'])
      assert.ok(batch.every((one) => one === faulty || one.answers.join() === 'ack'))
      assert.deepEqual(await letters(pool), [letterOf(18, 0)])
      assert.equal(await stored(pool), 39)
    }
  }))

test('the same inside one message of many readings, whose refused elements keep their place', () =>
  withTables(async (pool) => {
    await failWith(pool, '54000')
    const many: unknown[] = Array.from({ length: 100 }, (_, i) => (i === 61 || i === 62 ? marked : good))
    many[5] = 'bad'
    const one = delivered(many, 7)
    assert.equal((await committed(pool, [one])).stored, 97)
    assert.deepEqual(one.answers, ['ack'])
    const others = { names: false, code: 'wrong_root', sequence: 7, position: 5 }
    const byPosition = (await letters(pool)) as (typeof others)[]
    assert.deepEqual(
      byPosition.toSorted((a, b) => a.position - b.position),
      [others, letterOf(7, 61), letterOf(7, 62)],
    )
    // Delivered again because its answer was lost.
    assert.equal((await committed(pool, [one])).stored, 0)
    assert.equal(await stored(pool), 97)
    assert.equal((await letters(pool)).length, 3)
  }))

test('the dead letters of one message are bounded, also where only the database refuses; the last one counts the rest', () =>
  withTables(async (pool) => {
    // Found by savepoints in one transaction, and by parts in transactions of their own.
    for (const sqlstate of ['23514', '54000']) {
      await failWith(pool, sqlstate)
      const many: unknown[] = Array.from({ length: 300 }, (_, i) => (i < 40 ? good : marked))
      many[0] = many[1] = 'bad'
      const one = delivered(many, 7)
      const sink = sinkOn(pool, { maxDeadLetters: 10 })
      for (const stored of [38, 0]) {
        const outcome = await writeTogether(sink, [one])
        if (outcome.kind !== 'committed') assert.fail(outcome.reason)
        assert.equal(outcome.stored, stored, sqlstate)
        const refused = outcome.refused.get(one) ?? assert.fail()
        assert.equal(refused.positions.size, 260)
        assert.deepEqual(
          refused.rejections.map(({ position, more }) => [position, more]),
          [40, 41, 42, 43, 44, 45, 46, 47].map((position) => [position, position === 47 ? 252 : 0]),
        )
      }
      const { rows } = await pool.query<{ kept: number; refused: number }>(
        'SELECT count(*)::int AS kept, sum(1 + more)::int AS refused FROM dead_letters',
      )
      assert.deepEqual(rows, [{ kept: 10, refused: 262 }])
      assert.equal(await stored(pool), 38)
    }
  }))

test("where the decoder's rejections reach the limit, one of the database's is kept beside them", () =>
  withTables(async (pool) => {
    await failWith(pool, '23514')
    const outcome = await writeTogether(sinkOn(pool, { maxDeadLetters: 2 }), [
      delivered(['bad', 'bad', marked, marked, good], 7),
    ])
    if (outcome.kind !== 'committed') assert.fail(outcome.reason)
    const rows = (await listDeadLetters(pool, 10)).map(({ position, more }) => [position, more])
    assert.deepEqual(rows, [
      [2, 1],
      [1, 0],
      [0, 0],
    ])
  }))

test('a failure of the moment gives the batch back twice, and then stores all but the message that fails', () =>
  withTables(async (pool) => {
    for (const sqlstate of ['XX000', '40P01', '57014']) {
      await failWith(pool, sqlstate)
      for (const deliveryCount of [1, 2]) {
        assert.equal((await write(pool, batchWith(marked, deliveryCount).batch)).kind, 'retry')
        assert.equal(await stored(pool), 0)
      }
      for (const deliveryCount of [3, 4, 5]) {
        const { batch, faulty } = batchWith(marked, deliveryCount)
        const outcome = await committed(pool, batch)
        assert.equal(outcome.stored, deliveryCount === 3 ? 39 : 0, sqlstate)
        assert.deepEqual([...outcome.postponed.keys()], [faulty])
        assert.deepEqual(faulty.answers, ['nak'])
        assert.ok(batch.every((one) => one === faulty || one.answers.join() === 'ack'))
      }
      assert.deepEqual(await letters(pool), [])
      const { batch, faulty } = batchWith(marked, 6)
      assert.equal((await committed(pool, batch)).postponed.size, 0)
      assert.deepEqual(faulty.answers, ['term'])
      assert.deepEqual(await letters(pool), [letterOf(18, 0)])
      assert.equal(await stored(pool), 39)
    }
  }))

test('messages that came along for the first time are stored beside one that fails again and again', () =>
  withTables(async (pool) => {
    await failWith(pool, 'XX000')
    const faulty = delivered(marked, 1, { deliveryCount: 3 })
    const fresh = [2, 3, 4].map((sequence) => delivered(good, sequence))
    const outcome = await committed(pool, [faulty, ...fresh])
    assert.equal(outcome.stored, 3)
    assert.deepEqual(faulty.answers, ['nak'])
    assert.deepEqual(
      fresh.map(({ answers }) => answers),
      [['ack'], ['ack'], ['ack']],
    )
  }))

test('a fresh message that fails beside one delivered often is postponed, and no dead letter', () =>
  withTables(async (pool) => {
    await failWith(pool, 'XX000')
    const often = delivered(good, 1, { deliveryCount: 9 })
    const fresh = [delivered(good, 2), delivered(marked, 3)]
    const outcome = await committed(pool, [often, ...fresh])
    assert.equal(outcome.stored, 1)
    assert.deepEqual(often.answers, ['ack'])
    assert.deepEqual(
      fresh.map(({ answers }) => answers),
      [['nak'], ['nak']],
    )
    assert.deepEqual(await letters(pool), [])
  }))

test('a postponed message is stored once when the cause is gone, its good readings too', () =>
  withTables(async (pool) => {
    await failWith(pool, 'XX000')
    const several = [good, marked, 'bad', good]
    const { batch, faulty } = batchWith(several, 5)
    assert.deepEqual([...(await committed(pool, batch)).postponed.keys()], [faulty])
    await pool.query('DROP TRIGGER fails ON sensor_data')
    const again = delivered(several, 18, { deliveryCount: 6 })
    await committed(pool, [again])
    assert.deepEqual(again.answers, ['ack'])
    assert.equal(await stored(pool), 39 + 3)
    assert.equal((await committed(pool, [again, ...batch])).stored, 0)
    assert.equal((await letters(pool)).length, 1)
  }))

test('the sixth time, what fails in a message of many readings becomes a dead letter and the rest is stored', () =>
  withTables(async (pool) => {
    await failWith(pool, 'XX000')
    const one = delivered([good, good, marked, good], 1, { deliveryCount: 6 })
    assert.equal((await committed(pool, [one])).stored, 3)
    assert.deepEqual(one.answers, ['ack'])
    assert.deepEqual(await letters(pool), [letterOf(1, 2)])
  }))

/** As if the decoder had a mistake: what must be text is a number, which no writer takes. */
function mistaken(one: Answered): Answered {
  return {
    ...one,
    readings: one.readings.map((placed) =>
      placed.reading.program === null
        ? placed
        : { ...placed, reading: { ...placed.reading, program: 5 as never } },
    ),
  }
}

test('a message on which this program fails itself costs itself alone, and becomes a dead letter the sixth time', () =>
  withTables(async (pool) => {
    const mistakes: unknown[] = []
    const sink = sinkOn(pool, { onMistake: (mistake) => mistakes.push(mistake) })
    const several = mistaken(delivered([good, marked, good], 18))
    for (let deliveryCount = 1; deliveryCount <= 6; deliveryCount++) {
      const again = { ...several, delivery: { ...several.delivery, deliveryCount } }
      const others = [delivered(good, deliveryCount * 100), delivered(good, deliveryCount * 100 + 1)]
      const outcome = await writeTogether(sink, [again, ...others])
      if (outcome.kind !== 'committed') assert.fail(outcome.reason)
      settle([again, ...others], outcome)
      assert.equal(outcome.stored, deliveryCount < 6 ? 2 : 4)
      assert.deepEqual(
        others.map(({ answers }) => answers),
        [['ack'], ['ack']],
      )
    }
    assert.deepEqual(several.answers, ['nak', 'nak', 'nak', 'nak', 'nak', 'ack'])
    assert.ok(mistakes.length >= 6 && mistakes.every((one) => one instanceof TypeError))
    const [letter, ...more] = await listDeadLetters(pool, 10)
    assert.deepEqual(more, [])
    assert.deepEqual([letter?.sequence, letter?.position, letter?.code], [18, 1, 'internal_error'])
    assert.match(letter?.reason ?? '', /^this program failed to write this reading: /)
  }))

/** No dead letter whose payload is longer than this is taken. */
async function refuseLetters(pool: Pool, bytes: number): Promise<void> {
  await pool.query(
    `CREATE FUNCTION too_long() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN RAISE EXCEPTION 'the letter is too long' USING ERRCODE = '54000'; END $$`,
  )
  await pool.query(
    `CREATE TRIGGER too_long BEFORE INSERT ON dead_letters FOR EACH ROW
     WHEN (octet_length(NEW.payload) > ${bytes}) EXECUTE FUNCTION too_long()`,
  )
}

test('a message whose dead letter the database does not take is given back alone, and the sixth time it is shortened', () =>
  withTables(async (pool) => {
    await refuseLetters(pool, 2_000)
    const long = { why: 'no machine', text: 'x'.repeat(3_000) }
    for (let deliveryCount = 1; deliveryCount <= 6; deliveryCount++) {
      const bad = delivered(long, 1, { deliveryCount })
      const partly = delivered([good, long], 2, { deliveryCount })
      const others = [delivered(good, deliveryCount * 100), delivered({}, deliveryCount * 100 + 1)]
      const outcome = await committed(pool, [bad, partly, ...others])
      assert.deepEqual(
        [bad, partly, ...others].map(({ answers }) => answers.join()),
        deliveryCount < 6 ? ['nak', 'nak', 'ack', 'term'] : ['term', 'ack', 'ack', 'term'],
      )
      assert.deepEqual([...outcome.postponed.keys()], deliveryCount < 6 ? [bad, partly] : [])
    }
    assert.equal(await stored(pool), 6 + 1)
    const short = (await listDeadLetters(pool, 100)).filter(({ sequence }) => sequence < 100)
    assert.deepEqual(
      short.map(({ sequence, position, code, payload_bytes: bytes, in_array: inArray }) => ({
        sequence,
        position,
        code,
        bytes,
        inArray,
      })),
      [
        { sequence: 2, position: 1, code: 'missing_field', bytes: 1_024, inArray: true },
        { sequence: 1, position: 0, code: 'missing_field', bytes: 1_024, inArray: false },
      ],
    )
    assert.match(
      short[0]?.reason ?? '',
      /machine_id.* \(kept are 1024 of 30\d\d bytes, because the database refused the dead letter: the letter is too long\)$/,
    )
  }))

test('a message of which no dead letter at all is taken costs itself alone', () =>
  withTables(async (pool) => {
    await refuseLetters(pool, 1)
    const bad = delivered('not JSON', 1, { deliveryCount: 6 })
    const other = delivered(good, 2)
    const outcome = await committed(pool, [bad, other])
    assert.deepEqual([bad.answers, other.answers], [['nak'], ['ack']])
    assert.deepEqual([...outcome.postponed.values()], ['the letter is too long'])
  }))

test('a subject with characters that the database does not take is no reason to stop', () =>
  withTables(async (pool) => {
    const bad = delivered('not JSON', 1, { subject: 'CNC_DATA.a\0b\ud800' })
    await committed(pool, [bad])
    assert.deepEqual(bad.answers, ['term'])
    assert.equal((await listDeadLetters(pool, 1))[0]?.subject, 'CNC_DATA.a\u2400b\ufffd')
  }))

test('an exception while the database does not answer is no mistake: everything is given back', () =>
  withTables(async (pool) => {
    const away = openTestPool('postgres://postgres@127.0.0.1:1/none')
    const { batch } = batchWith(marked, 6)
    const outcome = await writeTogether(sinkOn(pool, { ready: away }), batch.map(mistaken))
    assert.equal(outcome.kind, 'retry')
    assert.deepEqual(await letters(pool), [])
    await away.end()
  }))

test('a mistake that no dead letter can be made of stops the monitor', () =>
  withTables(async (pool) => {
    const sink = sinkOn(pool, { onMistake: () => undefined })
    const outcome = await writeTogether(sink, [delivered(good, 2 ** 46, { deliveryCount: 6 })])
    assert.equal(outcome.kind, 'fatal')
    assert.match(outcome.kind === 'fatal' ? outcome.reason : '', /beyond what an id can hold/)
  }))

test('while the database is away nothing is stored and nothing refused, however often it was delivered', () =>
  withTables(async (pool) => {
    for (const sqlstate of ['57P01', '53100']) {
      await failWith(pool, sqlstate)
      for (const deliveryCount of [1, 3, 100]) {
        const outcome = await write(pool, batchWith(marked, deliveryCount).batch)
        assert.equal(outcome.kind, 'retry', sqlstate)
        assert.equal(await stored(pool), 0)
      }
      assert.deepEqual(await letters(pool), [])
    }
  }))

test('what neither waiting nor splitting cures is fatal and says why, however often it was delivered', () =>
  withTables(async (pool) => {
    await failWith(pool, '42501')
    for (const deliveryCount of [1, 6]) {
      const outcome = await write(pool, batchWith(marked, deliveryCount).batch)
      assert.equal(outcome.kind, 'fatal')
      assert.match(outcome.kind === 'fatal' ? outcome.reason : '', /the marked one/)
    }
    assert.equal(await stored(pool), 0)
    assert.deepEqual(await letters(pool), [])
  }))
