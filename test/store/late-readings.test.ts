// Which hours hold a late reading, asked after the readings are gone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LateBoundary, ReadingHours } from '../../src/store/late-readings.ts'

const time = fc
  .date({ min: new Date('2026-03-01T00:00:00Z'), max: new Date('2026-03-01T06:00:00Z'), noInvalidDate: true })
  .map((date) => date.toISOString())

test('property: those and only those whose readings lie before the boundary, each once', () => {
  fc.assert(
    fc.property(fc.array(time), time, (timestamps, boundary) => {
      const before = boundary.slice(0, 'YYYY-MM-DDTHH:MM'.length)
      const late = new LateBoundary()
      late.learn(before, performance.now())
      const hours = new ReadingHours()
      for (const timestamp of timestamps) hours.add(timestamp)
      const expected = new Set(timestamps.filter((one) => one < before).map((one) => one.slice(0, 13)))
      assert.deepEqual(hours.late(late).toSorted(), [...expected].toSorted())
    }),
  )
})

test('without a boundary every hour is late', () => {
  const hours = new ReadingHours()
  for (const hour of ['11', '12', '11']) hours.add(`2026-03-01T${hour}:00:00Z`)
  assert.deepEqual(hours.late(new LateBoundary()), ['2026-03-01T11', '2026-03-01T12'])
})
