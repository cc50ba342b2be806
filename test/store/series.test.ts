// Series against the readings they are made of, on the real TimescaleDB.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { gridAround, type SeriesQuery } from '../../src/series.ts'
import { runAlone } from '../../src/store/keep-aggregates.ts'
import { readSeries } from '../../src/store/read-series.ts'
import type { Pool } from '../../src/store/pool.ts'
import { writeTogether } from '../../src/store/write-together.ts'
import { delivered } from '../support/delivered.ts'
import { sinkOn, withStore } from '../support/store.ts'

const SECOND_MS = 1_000
const HOUR_MS = 3_600 * SECOND_MS
const DAY_MS = 24 * HOUR_MS
const { signal } = new AbortController()

interface Sent {
  readonly machine_id: string
  readonly timestamp: string
  readonly temperature?: number | undefined
  readonly part_count?: number | undefined
  readonly machine_state?: string | undefined
}

interface Series {
  readonly start_time: string
  readonly end_time: string
  readonly source: string
  readonly bucket: string | null
  readonly gap_after_seconds: number | null
  readonly timestamps: readonly string[]
  readonly fields: Readonly<Record<string, unknown>>
}

let sequence = 0

async function write(pool: Pool, sent: readonly Sent[]): Promise<void> {
  const sink = sinkOn(pool)
  const outcome = await writeTogether(
    sink,
    sent.map((one) => delivered(one, ++sequence, { receivedAtMs: Date.now() })),
  )
  assert.equal(outcome.kind, 'committed')
}

async function series(
  pool: Pool,
  query: Partial<SeriesQuery> & Pick<SeriesQuery, 'wanted'>,
): Promise<Series> {
  const text = await readSeries(pool, {
    machineId: 'A',
    startTime: new Date(Date.now() - DAY_MS).toISOString(),
    endTime: new Date().toISOString(),
    fields: ['temperature', 'machine_state', 'part_count'],
    aggregates: ['min', 'avg', 'max', 'count'],
    ...query,
  })
  return JSON.parse(text) as Series
}

/** The same, worked out from what was sent; in the order in which it was sent. */
function expected(sent: readonly Sent[], query: Pick<SeriesQuery, 'startTime' | 'endTime'>, seconds: number) {
  const { startMs, count } = gridAround(query.startTime, query.endTime, seconds)
  const buckets = Array.from({ length: count }, (_, i) => {
    const from = startMs + i * seconds * SECOND_MS
    return sent
      .filter(({ machine_id, timestamp }) => {
        const ms = Date.parse(timestamp)
        return machine_id === 'A' && ms >= from && ms < from + seconds * SECOND_MS
      })
      .toSorted((a, b) => (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0))
  })
  const column = <T>(of: (bucket: Sent[]) => T) =>
    buckets.map((bucket) => (bucket.length === 0 ? null : (of(bucket) ?? null)))
  const ofNumber = (name: 'temperature' | 'part_count') => {
    const values = (bucket: Sent[]) => bucket.flatMap((one) => one[name] ?? [])
    const ofValues = (of: (all: number[]) => number) =>
      column((bucket) => (values(bucket).length === 0 ? null : of(values(bucket))))
    return {
      min: ofValues((all) => Math.min(...all)),
      avg: ofValues((all) => all.reduce((sum, value) => sum + value, 0) / all.length),
      max: ofValues((all) => Math.max(...all)),
      count: column((bucket) => values(bucket).length),
    }
  }
  const states = (bucket: Sent[]) => bucket.flatMap(({ machine_state }) => machine_state ?? [])
  return {
    timestamps: buckets.map((_, i) =>
      new Date(startMs + i * seconds * SECOND_MS).toISOString().replace('.000Z', 'Z'),
    ),
    fields: {
      temperature: ofNumber('temperature'),
      machine_state: {
        first: column((bucket) => states(bucket).at(0)),
        last: column((bucket) => states(bucket).at(-1)),
      },
      part_count: ofNumber('part_count'),
    },
  }
}

const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined })
const reading = fc.record({
  machine_id: fc.constantFrom('A', 'A', 'A', 'B'),
  agoMs: fc.oneof(fc.integer({ min: 0, max: HOUR_MS }), fc.integer({ min: 0, max: 3 * DAY_MS })),
  temperature: optional(fc.integer({ min: -50, max: 90 })),
  part_count: optional(fc.nat(1_000)),
  machine_state: optional(fc.constantFrom('running', 'idle', '"quoted" \\ Ü')),
})
const window = fc.record({
  seconds: fc.constantFrom(1, 10, 60, 120, 420, 3_600, 7_200, 86_400),
  endAgoMs: fc.integer({ min: -HOUR_MS, max: HOUR_MS }),
  buckets: fc.integer({ min: 1, max: 300 }),
})

test('every bucket is made of its readings, wherever they are read, and one without readings is null', () =>
  withStore(async (pool) => {
    const nowMs = Date.now()
    const sent: Sent[] = []
    const write10 = fc.array(reading, { minLength: 1, maxLength: 10 })
    await fc.assert(
      fc.asyncProperty(
        write10,
        fc.boolean(),
        fc.array(window, { minLength: 4, maxLength: 4 }),
        async (more, runs, windows) => {
          const batch = more.map(({ agoMs, ...values }) => ({
            ...values,
            timestamp: new Date(nowMs - agoMs).toISOString(),
          }))
          await write(pool, batch)
          sent.push(...batch)
          // What came late is in the aggregates after the next run only.
          await runAlone(pool, { retentionDays: 0, windowMinutes: runs ? 60 : 10, signal })
          for (const { seconds, endAgoMs, buckets } of windows) {
            const query = {
              startTime: new Date(nowMs - endAgoMs - buckets * seconds * SECOND_MS).toISOString(),
              endTime: new Date(nowMs - endAgoMs).toISOString(),
            }
            const found = await series(pool, { ...query, wanted: { bucketSeconds: seconds } })
            const { timestamps, fields } = expected(sent, query, seconds)
            assert.deepEqual(found.timestamps, timestamps)
            assert.deepEqual(found.fields, fields)
          }
        },
      ),
      { numRuns: Number(process.env['SOAK_ROUNDS'] ?? 6), endOnFailure: true },
    )
  }))

test('few readings are given as they are, with a break where a chart has a gap; many as buckets', () =>
  withStore(async (pool) => {
    const at = (seconds: number) => new Date(Date.UTC(2026, 9, 1) + seconds * SECOND_MS).toISOString()
    const sent = [0, 50, 100, 150, 300, 350.5, 351, 351].map((seconds, i) => ({
      machine_id: 'A',
      timestamp: at(seconds),
      temperature: i,
    }))
    await write(pool, sent)
    const query = { startTime: at(0), endTime: at(3_600), fields: ['temperature', 'machine_state'] } as const
    const raw = await series(pool, { ...query, wanted: { points: 8 } })
    assert.deepEqual(raw, {
      machine_id: 'A',
      start_time: query.startTime,
      end_time: query.endTime,
      source: 'raw',
      bucket: null,
      gap_after_seconds: 150,
      timestamps: [0, 50, 100, 150, 300, 350.5, 351, 351].map((seconds) =>
        at(seconds).replace('.000Z', 'Z').replace('.500Z', '.5Z'),
      ),
      fields: { temperature: [0, 1, 2, 3, 4, 5, 6, 7], machine_state: Array(8).fill(null) },
    })
    await write(pool, [{ machine_id: 'A', timestamp: at(1_000.0), temperature: 8 }])
    const broken = await series(pool, { ...query, fields: ['temperature'], wanted: { points: 9 } })
    assert.deepEqual(broken.fields, { temperature: [0, 1, 2, 3, 4, 5, 6, 7, null, 8] })
    assert.equal(broken.timestamps[8], at(351 + 150).replace('.000Z', 'Z'))

    const { source, bucket, timestamps } = await series(pool, { ...query, wanted: { points: 8 } })
    assert.deepEqual([source, bucket, timestamps.length], ['minute', '10m', 6])
    const hours = await series(pool, { startTime: at(0), endTime: at(30 * 86_400), wanted: { points: 8 } })
    assert.deepEqual([hours.source, hours.bucket, hours.timestamps.length], ['hour', '4d', 9])
    const none = await series(pool, {
      ...query,
      machineId: 'nobody',
      fields: ['temperature'],
      wanted: { points: 8 },
    })
    assert.deepEqual([none.source, none.timestamps, none.fields], ['raw', [], { temperature: [] }])
  }))
