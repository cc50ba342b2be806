// The binary rows are what a real server understands, and the same rows as those that are inserted.
//
// The embedded database takes no COPY from its clients, because it would never get out of it again. Its engine
// copies from a file well: the file is put into the database's own folder, which it sees under another name.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { copyIn } from '../../src/store/copy-in.ts'
import { CopyRows } from '../../src/store/copy-rows.ts'
import { insertReadings } from '../../src/store/insert-readings.ts'
import { migrate, readMigrations } from '../../src/store/migrate.ts'
import { type Pool, withConnection } from '../../src/store/pool.ts'
import { columnNames, type ReadingRow } from '../../src/store/reading-columns.ts'
import { withDatabase } from '../support/embedded-database.ts'
import { withNativeDatabase } from '../support/native-database.ts'
import { readingRows, rowsAsText } from '../support/rows.ts'
import { openTestPool } from '../support/store.ts'

const MIGRATIONS = join(import.meta.dirname, '../../migrations')

/** Puts finished rows into sensor_data. */
type Copy = (pool: Pool, data: Buffer) => Promise<unknown>

const overTheWire: Copy = (pool, data) => withConnection(pool, (connection) => copyIn(connection, data))

const fromFileIn =
  (folder: string): Copy =>
  async (pool, data) => {
    writeFileSync(join(folder, 'rows.bin'), data)
    const { rows } = await pool.query<{ data_directory: string }>('SHOW data_directory')
    const file = `${rows[0]?.data_directory}/rows.bin`
    await pool.query(
      `DO $$ BEGIN EXECUTE 'COPY sensor_data (${columnNames}) FROM ''${file}'' (FORMAT binary)'; END $$`,
    )
  }

async function withTables(url: string, run: (pool: Pool) => Promise<void>): Promise<void> {
  const pool = openTestPool(url)
  try {
    await migrate(pool, await readMigrations(MIGRATIONS), () => undefined)
    await run(pool)
  } finally {
    await pool.end()
  }
}

function addAll(copyRows: CopyRows, rows: readonly ReadingRow[]): Buffer {
  copyRows.clear()
  for (const { id, position, receivedAtMs, reading } of rows)
    copyRows.add(id, position, receivedAtMs, reading)
  return copyRows.finish()
}

/** Copies the rows, then inserts them: the table must hold the same. */
async function isSame(
  pool: Pool,
  copy: Copy,
  copyRows: CopyRows,
  rows: readonly ReadingRow[],
): Promise<void> {
  await pool.query('TRUNCATE sensor_data')
  await copy(pool, addAll(copyRows, rows))
  const copied = await rowsAsText(pool)
  assert.equal(copied.length, rows.length)
  await pool.query('TRUNCATE sensor_data')
  await pool.query(insertReadings(rows))
  const inserted = await rowsAsText(pool)
  assert.equal(inserted.length, rows.length)
  copied.forEach((row, i) => assert.equal(row, inserted[i]))
}

async function propertyHolds(pool: Pool, copy: Copy, numRuns: number): Promise<void> {
  // One for all, as the writer keeps it: nothing of a batch may be left in the next.
  const copyRows = new CopyRows()
  await fc.assert(
    fc.asyncProperty(readingRows, async (rows) => {
      await isSame(pool, copy, copyRows, rows)
    }),
    { numRuns },
  )
}

/** Several times the first buffer, in rows of very different lengths, and a text that is longer than all of it. */
async function largeBatchesFit(pool: Pool, copy: Copy): Promise<void> {
  const [first] = fc.sample(readingRows, { numRuns: 1, seed: 7 })
  const like = first?.[0] ?? assert.fail()
  const row = (i: number, program: string): ReadingRow => ({
    ...like,
    id: { high: 2 ** 14, low: i },
    reading: {
      ...like.reading,
      timestamp: '2026-03-01T11:00:00Z',
      program,
      extra: `{"x":"${'é'.repeat(i % 90)}"}`,
    },
  })
  const rows = Array.from({ length: 6_000 }, (_, i) => row(i, 'Ü'.repeat((i * 37) % 400)))
  const long = row(6_000, '\u20ac'.repeat(1_500_000))
  const copyRows = new CopyRows()
  await isSame(pool, copy, copyRows, rows)
  await isSame(pool, copy, new CopyRows(), [...rows.slice(0, 10), long, ...rows.slice(10, 20)])
  await isSame(pool, copy, copyRows, rows.slice(0, 3))
}

test('property: rows from a file are the rows that are inserted, in every column', () =>
  withDatabase(({ url, folder }) => withTables(url, (pool) => propertyHolds(pool, fromFileIn(folder), 25))))

test('batches that outgrow the buffer are whole, and a small one after them', () =>
  withDatabase(({ url, folder }) => withTables(url, (pool) => largeBatchesFit(pool, fromFileIn(folder)))))

test('property: on a server, rows that are copied are the rows that are inserted, in every column', (t) =>
  withNativeDatabase(t, (url) => withTables(url, (pool) => propertyHolds(pool, overTheWire, 60))))

test('on a server, batches that outgrow the buffer are whole, and a small one after them', (t) =>
  withNativeDatabase(t, (url) => withTables(url, (pool) => largeBatchesFit(pool, overTheWire))))

test('values are stored exactly: signs of zero, the smallest and largest numbers, negative times', () =>
  withDatabase(({ url, folder }) =>
    withTables(url, async (pool) => {
      const [sample] = fc.sample(readingRows, { numRuns: 1, seed: 1 })
      const like = sample?.[0] ?? assert.fail()
      const numbers = [-0, 0, 5e-324, -1.7976931348623157e308, 0.1, 1 / 3, 2 ** 53]
      const integers = [-0, 1, -1, 2 ** 32, -(2 ** 32), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]
      const rows = numbers.map((temperature, i) => ({
        ...like,
        id: { high: 1, low: i },
        reading: {
          ...like.reading,
          timestamp: '1969-12-31T23:59:59.999999Z',
          temperature,
          part_count: integers[i] ?? 0,
        },
      }))
      await isSame(pool, fromFileIn(folder), new CopyRows(), rows)
      const { rows: stored } = await pool.query<{ temperature: number; part_count: string }>(
        'SELECT temperature, part_count FROM sensor_data ORDER BY message_id',
      )
      assert.deepEqual(
        stored.map(({ temperature }) => temperature),
        numbers,
      )
      assert.deepEqual(
        stored.map(({ part_count }) => part_count),
        integers.map((value) => String(value)),
      )
    }),
  ))
