import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forecast, type ForecastFacts } from '../src/storage-forecast.ts'

const DAY = 86_400_000
const nowMs = Date.parse('2026-03-20T18:00:00Z')
const midnight = Date.parse('2026-03-20T00:00:00Z')

/** Chunks of a day, `bytes[0]` today's, the others before it; null: no chunk. */
const days = (...bytes: (number | null)[]) =>
  bytes
    .map((of, ago) => ({ startMs: midnight - ago * DAY, endMs: midnight - (ago - 1) * DAY, bytes: of }))
    .filter((day): day is typeof day & { bytes: number } => day.bytes !== null)
    .map((day) => ({ ...day, bytesBeforeCompression: null }))
    .toReversed()

const ask = (facts: Partial<ForecastFacts>) => {
  const chunks = facts.chunks ?? []
  const oldestMs = chunks[0]?.startMs ?? null
  return forecast({ chunks, nowMs, freeBytes: 1_000, oldestMs, retentionDays: 0, ...facts })
}

test('without a full day of readings nothing is said', () => {
  for (const chunks of [[], days(500)]) {
    const { bytes_per_day, full_on, because } = ask({ chunks })
    assert.deepEqual([bytes_per_day, full_on], [null, null])
    assert.match(because, /no full day/)
  }
})

test('the rate is that of the last full days, at most seven; today and days of long ago do not count', () => {
  assert.equal(ask({ chunks: days(9_999, 100) }).bytes_per_day, 100)
  assert.equal(ask({ chunks: days(9_999, 100, 200, 300) }).bytes_per_day, 200)
  assert.equal(ask({ chunks: days(0, 70, 70, 70, 70, 70, 70, 70, 9_999) }).bytes_per_day, 70)
  assert.equal(ask({ chunks: days(null, 70, 70, 70, 70, 70, 70, 70, 9_999) }).bytes_per_day, 70)
})

test('days without readings count', () => {
  assert.equal(ask({ chunks: days(1, 70, null, 70, null, null, null, null, 70) }).bytes_per_day, 20)
  const silent = ask({ chunks: days(null, null, null, null, null, null, null, null, 70) })
  assert.deepEqual([silent.bytes_per_day, silent.full_on], [0, null])
  assert.match(silent.because, /last seven days/)
})

test('chunks of another length are days of their own length', () => {
  const week = { bytes: 700, bytesBeforeCompression: null }
  const chunks = [
    { ...week, startMs: midnight - 23 * DAY, endMs: midnight - 16 * DAY, bytes: 1 },
    { ...week, startMs: midnight - 16 * DAY, endMs: midnight - 2 * DAY, bytes: 1_400 },
    { ...week, startMs: midnight - 2 * DAY, endMs: midnight + 12 * DAY },
  ]
  assert.equal(ask({ chunks }).bytes_per_day, 100)
})

test('the disk is full when the room is used up at this rate', () => {
  const growth = ask({ chunks: days(1, 100, 100), freeBytes: 1_025 })
  assert.deepEqual(
    [growth.full_on, growth.because],
    ['2026-03-31T00:00:00Z', 'At the rate of the last 2 full days.'],
  )
  assert.equal(ask({ chunks: days(1, 100), freeBytes: 0 }).full_on, '2026-03-20T00:00:00Z')
  assert.equal(ask({ chunks: days(1, 100), freeBytes: 1e18 }).full_on, null)
})

test('where retention comes first, the disk is not full, and the reason says so', () => {
  const chunks = days(1, 100, 100)
  assert.equal(ask({ chunks, retentionDays: 13 }).full_on, '2026-03-30T00:00:00Z')
  const kept = ask({ chunks, retentionDays: 12 })
  assert.equal(kept.full_on, null)
  assert.match(kept.because, /removed after 12 days/)
})

test('what is not known is not guessed', () => {
  const { bytes_per_day, full_on, because } = ask({ chunks: days(1, 100), freeBytes: null })
  assert.deepEqual([bytes_per_day, full_on], [100, null])
  assert.match(because, /DATABASE_DISK_BYTES/)
})
