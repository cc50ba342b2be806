// Times as they are sent in binary rows, against PostgreSQL's own reading of the same text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { microsOfMs, microsOfTimestamp, timestampOfMicros } from '../../src/store/postgres-time.ts'
import { timeText } from '../../src/store/reading-columns.ts'
import type { Pool } from '../../src/store/pool.ts'
import { openTestPool, withEmptyDatabase } from '../support/store.ts'

const SAMPLES = 20_000

/** Microseconds since 2000 as PostgreSQL counts them: exact, because its numbers are decimal. */
async function microsOf(pool: Pool, times: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ micros: string }>(
    `SELECT (extract(epoch FROM time::timestamptz) * 1000000 - 946684800000000)::numeric(30, 0)::text AS micros
     FROM unnest($1::text[]) WITH ORDINALITY AS given (time, index) ORDER BY index`,
    [times],
  )
  return rows.map(({ micros }) => micros)
}

async function withPool(run: (pool: Pool) => Promise<void>): Promise<void> {
  await withEmptyDatabase(async (url) => {
    const pool = openTestPool(url)
    try {
      await run(pool)
    } finally {
      await pool.end()
    }
  })
}

const padded = (value: number, length: number) => String(value).padStart(length, '0')
const time = fc
  .tuple(
    fc.date({
      min: new Date('0001-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    }),
    fc.oneof(
      fc.constant(''),
      fc.nat(6).chain((length) => fc.nat(10 ** length - 1).map((value) => padded(value, length))),
    ),
  )
  .map(([date, fraction]) => `${date.toISOString().slice(0, 19)}${fraction === '' ? '' : `.${fraction}`}Z`)

/** Both ends of the years, leap days, the epochs, and where a double is no longer exact. */
const turning = `
  0001-01-01T00:00:00 0004-02-29T23:59:59 0100-02-28T00:00:00 0100-03-01T00:00:00
  1582-10-04T00:00:00 1582-10-15T00:00:00 1600-02-29T12:00:00 1714-07-30T00:12:25
  1714-07-30T00:12:26 1900-03-01T00:00:00 1969-12-31T23:59:59 1970-01-01T00:00:00
  1999-12-31T23:59:59 2000-01-01T00:00:00 2000-02-29T00:00:00 2000-03-01T00:00:00
  2285-06-05T23:47:34 2285-06-05T23:47:35 2400-02-29T00:00:00 9999-12-31T23:59:59
`
  .trim()
  .split(/\s+/)
  .flatMap((second) =>
    ['', '.000001', '.1', '.254740', '.745259', '.999999'].map((fraction) => `${second}${fraction}Z`),
  )

test('property: a timestamp of any year is the microsecond that PostgreSQL reads in it', () =>
  withPool(async (pool) => {
    const times = [...turning, ...fc.sample(time, SAMPLES)]
    const expected = await microsOf(pool, times)
    times.forEach((text, i) => assert.equal(String(microsOfTimestamp(text)), expected[i], text))
  }))

test('property: microseconds given back as a timestamp are the same instant, with all six digits', () => {
  for (const text of [...turning, ...fc.sample(time, SAMPLES)]) {
    const given = timestampOfMicros(BigInt(microsOfTimestamp(text)))
    assert.match(given, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
    assert.equal(given.replace(/\.?0*Z$/, 'Z'), text.replace(/(?:\.0*|(\.\d*?)0*)Z$/, '$1Z'))
  }
})

test('property: a time of receipt is the same microsecond, written in binary and as text', () =>
  withPool(async (pool) => {
    // From 1970 to the year 2109, from which on a double of milliseconds holds no microseconds.
    const all = fc.sample(fc.integer({ min: 0, max: 2 ** 42 * 1_000 }), SAMPLES)
    const times = all.map((micros) => micros / 1_000)
    const expected = all.map((micros) => String(micros - 946_684_800_000_000))
    assert.deepEqual(
      times.map((ms) => String(microsOfMs(ms))),
      expected,
    )
    assert.deepEqual(await microsOf(pool, times.map(timeText)), expected)
  }))
