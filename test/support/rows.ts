// Rows of sensor_data for a test: whatever a reading may hold, and the table as text, column by column.
import fc from 'fast-check'
import { readingFields, type Reading } from '../../src/reading.ts'
import type { Pool } from '../../src/store/pool.ts'
import { columns, type ReadingRow } from '../../src/store/reading-columns.ts'

const text = fc
  .oneof(
    fc.string({ maxLength: 60 }),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.constantFrom('', ' ', '\\', '"', '\\N', '{}', 'NULL', 'é', '\u{1f600}', '\ufeff', '\x7f', '\n\t', ','),
  )
  .map((value) => value.toWellFormed().replaceAll('\0', ''))
const values = {
  number: fc.double({ noNaN: true, noDefaultInfinity: true }),
  integer: fc.maxSafeInteger(),
  text,
  alarms: fc.array(fc.record({ code: text, text, severity: fc.constantFrom('warning', 'fault') }), {
    maxLength: 4,
  }),
}
const extra = fc
  .dictionary(text, fc.oneof(text, fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.array(text)), {
    maxKeys: 5,
  })
  .map((value) => JSON.stringify(value))
/** Years from end to end, in few chunks of the table. */
const timestamp = fc
  .tuple(
    fc.constantFrom('0001-01-01', '1714-12-31', '1969-12-31', '2026-03-01', '2285-06-06', '9999-12-31'),
    fc.constantFrom('00:00:00', '11:22:33.4', '23:59:59.999999'),
  )
  .map(([day, time]) => `${day}T${time}Z`)
const reading = fc
  .record({
    machine_id: text.map((id) => `M${id}`),
    timestamp,
    ...Object.fromEntries(
      readingFields.map(({ name, kind }) => [name, fc.option(values[kind] as fc.Arbitrary<unknown>)]),
    ),
    extra: fc.option(extra),
  })
  .map((value) => value as Reading)

/** Rows of different messages. */
export const readingRows: fc.Arbitrary<ReadingRow[]> = fc
  .array(
    fc.record({
      position: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      receivedAtMs: fc.integer({ min: 0, max: 2 ** 42 * 1_000 }).map((micros) => micros / 1_000),
      low: fc.nat(2 ** 32 - 1),
      reading,
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map((all) => all.map(({ low, ...row }, i) => ({ ...row, id: { high: 2 ** 14 + i, low } })))

/** Every column of every row as PostgreSQL writes it. */
export async function rowsAsText(pool: Pool): Promise<string[]> {
  const names = columns.map(({ name }) => `${name}::text`).join(', ')
  const { rows } = await pool.query<(string | null)[]>({
    text: `SELECT ${names} FROM sensor_data ORDER BY message_id, position, machine_id COLLATE "C", time`,
    rowMode: 'array',
  })
  return rows.map((row) => JSON.stringify(row))
}
