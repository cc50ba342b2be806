// Sequences that a restored stream uses again, against the real TimescaleDB.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeMessage } from '../../src/decode/decode-message.ts'
import type { DecodedMessage } from '../../src/pipeline-types.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { openPool, type Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { defaultLimits, receivedAtMs } from '../golden/cases.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { sinkOn } from '../support/store.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')
const incarnation = { stream: 'CNC_DATA', createdAt: '2026-01-01T00:00:00Z' }

async function withStore(run: (pool: Pool) => Promise<void>): Promise<void> {
  await withDatabase(async ({ url }) => {
    const settings = { purpose: 'ingest', size: 3, statementTimeoutMs: 20_000 } as const
    const pool = openPool({ url, ...settings, onError: () => undefined })
    try {
      await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
      await run(pool)
    } finally {
      await pool.end()
    }
  })
}

/** A message as delivered: `life` counts how often the stream was restored before it was received. */
function message(sequence: number, life: number, text: string): DecodedMessage {
  const data = Buffer.from(text)
  const nothing = () => undefined
  const answers = { ack: nothing, term: nothing, nak: nothing, working: nothing }
  const at = receivedAtMs + life * 60_000 + sequence + 0.123
  const received = { subject: 'CNC_DATA.x', data, size: data.length, receivedAtMs: at }
  const delivery = { ...received, incarnation, sequence, deliveryCount: 1, replayOf: null, ...answers }
  return { delivery, ...decodeMessage(data, at, defaultLimits) }
}

/** Two readings of the same machine and instant in every life, and one that is refused. */
function messagesOf(life: number): DecodedMessage[] {
  const reading = { machine_id: 'M', timestamp: '2026-03-01T11:00:00.5Z', part_count: life }
  const other = { machine_id: `M${life}`, timestamp: '2026-03-01T11:00:00Z', part_count: life }
  return [
    message(1, life, JSON.stringify([reading, { ...reading, program: 'second' }, 'bad'])),
    message(2, life, JSON.stringify(other)),
    message(3, life, `not json, in life ${life}`),
  ]
}

async function stored(pool: Pool): Promise<unknown[]> {
  const { rows } = await pool.query<Record<string, unknown>>(
    `SELECT machine_id, part_count, program, round, message_id - (stream_incarnations.id::int8 << 46) AS sequence, position
     FROM sensor_data JOIN stream_incarnations ON id = message_id >> 46
     ORDER BY part_count, message_id, position`,
  )
  return rows.map((row) => Object.values(row).join(' ').replaceAll('  ', ' '))
}

async function letters(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ payload: Buffer }>('SELECT payload FROM dead_letters ORDER BY id')
  return rows.map(({ payload }) => payload.toString())
}

test('messages that use stored sequences again are kept beside them, whatever order they come in', () =>
  withStore(async (pool) => {
    const write = async (life: number) => {
      // A sink of its own each time: nothing depends on what a monitor remembers.
      const outcome = await writeTogether(sinkOn(pool), messagesOf(life))
      assert.equal(outcome.kind, 'committed')
      return outcome.kind === 'committed' ? outcome.stored : NaN
    }
    const added: number[] = []
    for (const life of [0, 1, 1, 0, 2, 1, 0, 2]) added.push(await write(life))
    assert.deepEqual(added, [3, 3, 0, 0, 3, 0, 0, 0])
    assert.deepEqual(await stored(pool), [
      'M 0 1 1 0',
      'M 0 second 1 1 1',
      'M0 0 1 2 0',
      // Only what would be in another message's place moves on to the next round.
      'M1 1 1 2 0',
      'M 1 2 1 0',
      'M 1 second 2 1 1',
      'M2 2 1 2 0',
      'M 2 3 1 0',
      'M 2 second 3 1 1',
    ])
    const refused = [0, 1, 2].flatMap((life) => ['"bad"', `not json, in life ${life}`])
    assert.deepEqual(await letters(pool), refused)
  }))

test('two writers that find the same sequences used again store each message once', () =>
  withStore(async (pool) => {
    await writeTogether(sinkOn(pool), messagesOf(0))
    const sinks = [sinkOn(pool), sinkOn(pool)]
    const outcomes = await Promise.all(sinks.map((sink) => writeTogether(sink, messagesOf(1))))
    assert.equal(
      outcomes.reduce((sum, outcome) => sum + (outcome.kind === 'committed' ? outcome.stored : 0), 0),
      3,
    )
    assert.equal((await stored(pool)).length, 6)
    assert.equal((await letters(pool)).length, 4)
  }))

test('a number of an incarnation is used up by a new incarnation only', () =>
  withStore(async (pool) => {
    for (let start = 0; start < 5; start++) await writeTogether(sinkOn(pool), messagesOf(0))
    const other = { stream: 'CNC_DATA', createdAt: 'later' }
    const [first] = messagesOf(0)
    assert.ok(first)
    await writeTogether(sinkOn(pool), [{ ...first, delivery: { ...first.delivery, incarnation: other } }])
    const { rows } = await pool.query<{ id: number }>('SELECT id FROM stream_incarnations ORDER BY id')
    assert.deepEqual(
      rows.map(({ id }) => id),
      [1, 2],
    )
  }))
