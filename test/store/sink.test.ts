// The sink against the real TimescaleDB.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import { settle } from '../../src/ingest/settle.ts'
import type { MessageInBatch, WriteOutcome } from '../../src/pipeline-types.ts'
import { listDeadLetters } from '../../src/store/dead-letters.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { openPool, type Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { defaultLimits, goldenCases, receivedAtMs } from '../golden/cases.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { sinkOn } from '../support/store.ts'
import { storedReadings } from '../support/stored-readings.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

async function withStore(run: (pool: Pool) => Promise<void>): Promise<void> {
  await withDatabase(async ({ url }) => {
    const pool = openPool({
      url,
      purpose: 'ingest',
      size: 3,
      statementTimeoutMs: 20_000,
      onError: () => undefined,
    })
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      await run(pool)
    } finally {
      await pool.end()
    }
  })
}

/** On the embedded database, which takes no COPY. */

interface Answered extends MessageInBatch {
  readonly answers: string[]
}

/** A message as if delivered; it remembers how it was answered. */
function delivered(data: Uint8Array | string, sequence: number): Answered {
  const answers: string[] = []
  const bytes = typeof data === 'string' ? Buffer.from(data) : data
  const delivery = {
    subject: 'CNC_DATA.test',
    data: bytes,
    size: bytes.length,
    incarnation: { stream: 'CNC_DATA', createdAt: '2026-01-01T00:00:00Z' },
    sequence,
    receivedAtMs,
    deliveryCount: 1,
    replayOf: null,
    ack: () => void answers.push('ack'),
    term: () => void answers.push('term'),
    nak: () => void answers.push('nak'),
    working: () => undefined,
  }
  const decoded = decodeMessage(bytes, receivedAtMs, defaultLimits)
  return { delivery, answers, ...decoded, readingCount: decoded.readings.length }
}

function committed(outcome: WriteOutcome): WriteOutcome & { kind: 'committed' } {
  if (outcome.kind !== 'committed') assert.fail(outcome.reason)
  return outcome
}

test('every golden input is stored, refused and answered as expected', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    let sequence = 0
    for (const { name, message, expected } of goldenCases()) {
      await pool.query('TRUNCATE sensor_data; TRUNCATE dead_letters CASCADE')
      const one = delivered(message, ++sequence)
      settle([one], committed(await writeTogether(sink, [one])))
      assert.deepEqual(one.answers, [expected.answer], name)
      const machines = [...new Set(expected.readings.map((reading) => String(reading['machine_id'])))]
      const stored = (await Promise.all(machines.map((id) => storedReadings(pool, id)))).flat()
      assert.deepEqual(stored, expected.readings, name)
      const letters = (await listDeadLetters(pool, 1_000)).toReversed()
      assert.deepEqual(
        letters.map(({ position, code }) => ({ position, code })),
        expected.dead_letters,
        name,
      )
    }
  }))

test('a batch that is written again, whole or in part, is stored once', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    const batch = Array.from({ length: 50 }, (_, i) =>
      delivered(
        JSON.stringify([{ machine_id: `M${i % 3}`, timestamp: '2026-03-01T11:00:00Z' }, 'bad']),
        i + 1,
      ),
    )
    assert.equal(committed(await writeTogether(sink, batch)).stored, 50)
    assert.equal(committed(await writeTogether(sink, batch)).stored, 0)
    assert.equal(committed(await writeTogether(sink, batch.slice(7, 20).toReversed())).stored, 0)
    const [counts] = (
      await pool.query(
        'SELECT (SELECT count(*) FROM sensor_data), (SELECT count(*) FROM dead_letters) AS letters',
      )
    ).rows
    assert.deepEqual(counts, { count: '50', letters: '50' })
  }))

test('rows that only the database refuses become dead letters and cost nothing else', () =>
  withStore(async (pool) => {
    await pool.query("ALTER TABLE sensor_data ADD CHECK (machine_state <> 'FORBIDDEN')")
    const sink = sinkOn(pool)
    const reading = (state: string) => ({
      machine_id: 'M',
      timestamp: '2026-03-01T11:00:00Z',
      machine_state: state,
    })
    const batch = Array.from({ length: 1_000 }, (_, i) =>
      delivered(JSON.stringify(reading(i === 17 || i === 801 ? 'FORBIDDEN' : 'RUNNING')), i + 1),
    )
    const half = delivered(JSON.stringify([reading('FORBIDDEN'), reading('RUNNING')]), 2_000)
    const outcome = committed(await writeTogether(sink, [...batch, half]))
    settle([...batch, half], outcome)
    assert.equal(outcome.stored, 999)
    assert.deepEqual(
      batch.flatMap(({ answers }, i) => (answers[0] === 'term' ? [i] : [])),
      [17, 801],
    )
    assert.deepEqual(half.answers, ['ack'])
    const letters = await listDeadLetters(pool, 10)
    assert.ok(letters.every(({ code }) => code === 'refused_by_database'))
    assert.deepEqual(
      letters.map(({ sequence }) => sequence).toSorted((a, b) => a - b),
      [18, 802, 2_000],
    )
    assert.match(letters[0]?.reason ?? '', /check constraint/)
  }))

test('two streams with the same sequences do not collide', () =>
  withStore(async (pool) => {
    const sink = sinkOn(pool)
    const message = '{"machine_id":"M","timestamp":"2026-03-01T11:00:00Z"}'
    const first = delivered(message, 1)
    const second = delivered(message, 1)
    const renewed = {
      ...second,
      delivery: { ...second.delivery, incarnation: { stream: 'CNC_DATA', createdAt: 'later' } },
    }
    assert.equal(committed(await writeTogether(sink, [first])).stored, 1)
    assert.equal(committed(await writeTogether(sink, [renewed])).stored, 1)
    assert.equal((await storedReadings(pool, 'M')).length, 2)
  }))

test('while the database is away a batch is to be tried again, and nothing is stored', () =>
  withDatabase(async (database) => {
    const { url } = database
    const pool = openPool({
      url,
      purpose: 'ingest',
      size: 2,
      statementTimeoutMs: 5_000,
      onError: () => undefined,
    })
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      await database.kill()
      const one = delivered('not json', 1)
      assert.equal((await writeTogether(sinkOn(pool), [one])).kind, 'retry')
    } finally {
      await pool.end()
    }
  }))

test('migrations run once, also when two monitors start at the same time', () =>
  withDatabase(async ({ url }) => {
    const open = () =>
      openPool({ url, purpose: 'ingest', size: 1, statementTimeoutMs: 20_000, onError: () => undefined })
    const pools = [open(), open()]
    try {
      const migrations = await readMigrations(MIGRATIONS)
      const applied: string[] = []
      await Promise.all(pools.map((pool) => migrate(pool, migrations, (name) => applied.push(name))))
      assert.deepEqual(
        applied.toSorted(),
        migrations.map(({ name }) => name),
      )
    } finally {
      await Promise.all(pools.map((pool) => pool.end()))
    }
  }))
