import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StorageFacts } from '../src/storage-facts.ts'
import { storageReports } from '../src/storage-report.ts'

const facts: StorageFacts = {
  bytes: 5_000,
  chunks: [
    { startMs: 0, endMs: 1, bytes: 100, bytesBeforeCompression: 900 },
    { startMs: 1, endMs: 2, bytes: 400, bytesBeforeCompression: null },
  ],
  rowsEstimate: 40,
  oldest: '2026-03-01T00:00:00Z',
  newest: '2026-03-02T00:00:00Z',
  aggregates: [],
  deadLetters: { rowsEstimate: 1, bytes: 10 },
  policies: [],
}

const reports = (ask: () => Promise<StorageFacts>) =>
  storageReports({
    facts: ask,
    broker: () => ({ standing: null, lastSuccessMs: null }),
    freeBytes: async (bytes) => 9_000 - bytes,
    retentionDays: 0,
  })

test('the database is asked once for all who ask at once', async () => {
  let asked = 0
  const report = reports(async () => {
    asked++
    return facts
  })
  const [first, ...others] = await Promise.all([report(), report(), report()])
  for (const other of [...others, await report()]) assert.equal(other, first)
  assert.equal(asked, 1)
  assert.deepEqual([first?.database.free_bytes, first?.stream], [4_000, null])
  const { bytes, bytes_per_reading, compressed_chunks } = first?.readings ?? assert.fail()
  assert.deepEqual([bytes, bytes_per_reading, compressed_chunks], [500, 12.5, 1])
  assert.equal(first?.readings.bytes_before_compression, 900)
  assert.equal(first?.readings.bytes_after_compression, 100)
})

test('a failure is told to those who waited for it, and not kept', async () => {
  let asked = 0
  const report = reports(async () => {
    if (++asked === 1) throw new Error('away')
    return facts
  })
  const both = await Promise.allSettled([report(), report()])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal((await report()).readings.rows_estimate, 40)
})
