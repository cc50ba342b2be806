import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTimestamp } from '../src/timestamp.ts'

test('property: a time with any offset is the same instant in UTC', () => {
  const date = fc.date({
    min: new Date('0002-01-01T00:00:00Z'),
    max: new Date('9998-12-31T23:59:59Z'),
    noInvalidDate: true,
  })
  fc.assert(
    fc.property(
      date,
      fc.integer({ min: -1439, max: 1439 }),
      fc.integer({ min: 0, max: 999 }),
      (at, offset, micros) => {
        const local = new Date(at.getTime() + offset * 60_000).toISOString().slice(0, -1)
        const hours = String(Math.floor(Math.abs(offset) / 60)).padStart(2, '0')
        const minutes = String(Math.abs(offset) % 60).padStart(2, '0')
        const text = `${local}${String(micros).padStart(3, '0')}${offset < 0 ? '-' : '+'}${hours}:${minutes}`
        const parsed = parseTimestamp(text)
        assert.ok(parsed.ok, text)
        assert.equal(parsed.ms, at.getTime())
        const exact = `${at.toISOString().slice(0, -1)}${String(micros).padStart(3, '0')}`.replace(
          /\.?0+$/,
          '',
        )
        assert.equal(parsed.text, `${exact}Z`)
      },
    ),
  )
})

test('29 February is there in leap years only', () => {
  for (const [year, there] of [
    ['2024', true],
    ['2026', false],
    ['2000', true],
    ['1900', false],
  ] as const)
    assert.equal(parseTimestamp(`${year}-02-29T00:00:00Z`).ok, there, year)
})
