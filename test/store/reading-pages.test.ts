// Readings as the database writes them, in pages, against what this program says of the same readings.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseJson } from '../../src/decode/parse-json.ts'
import { readingFields, readingJson, type Reading } from '../../src/reading.ts'
import type { ReadingKey } from '../../src/readings-query.ts'
import { exportTurns } from '../../src/store/export-turns.ts'
import { insertReadings } from '../../src/store/insert-readings.ts'
import type { Pool } from '../../src/store/pool.ts'
import type { ReadingRow } from '../../src/store/reading-columns.ts'
import { limitedReadings, readingPages } from '../../src/store/reading-pages.ts'
import { csvRecords, type Cell } from '../support/csv.ts'
import { until } from '../support/monitor.ts'
import { readingRows } from '../support/rows.ts'
import { storeForAll } from '../support/store.ts'
import { queryFor, textOf } from '../support/stored-readings.ts'

const store = storeForAll()
const empty = Object.fromEntries(readingFields.map(({ name }) => [name, null]))

/** A reading with little in it; several of one instant differ in their message. */
function row(n: number, timestamp: string, other: Partial<Reading> = {}): ReadingRow {
  const reading = { machine_id: 'M', timestamp, extra: null, ...empty, part_count: n, ...other } as Reading
  return { id: { high: 2 ** 14, low: n }, position: 0, receivedAtMs: 0, reading }
}

const insert = (pool: Pool, rows: readonly ReadingRow[]) => pool.query(insertReadings(rows))

// Not JSON.parse: it takes some names for others (src/decode/parse-json.ts).
const asMeant = (json: string) => parseJson(json) as Record<string, unknown>

/** What it says, whatever the order of its members (jsonb has one of its own) and the sign of a zero. */
function meaning(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function meantByCsv([machine_id, timestamp, ...cells]: readonly Cell[]): Record<string, unknown> {
  const found: Record<string, unknown> = { machine_id, timestamp }
  readingFields.forEach(({ name, kind }, i) => {
    const cell = cells[i]
    assert.notEqual(cell, undefined, `${name} is missing`)
    if (cell !== null) found[name] = kind === 'text' ? cell : (JSON.parse(cell ?? '') as unknown)
  })
  const extra = cells[readingFields.length]
  return { ...found, ...(extra === null ? {} : asMeant(extra ?? assert.fail('extra is missing'))) }
}

test('every reading says in every format what readingJson says of it', async () => {
  const pool = await store.emptied()
  await fc.assert(
    fc.asyncProperty(readingRows, async (rows) => {
      await pool.query('TRUNCATE sensor_data')
      await insert(pool, rows)
      for (const id of new Set(rows.map(({ reading }) => reading.machine_id))) {
        const wanted = rows
          .filter(({ reading }) => reading.machine_id === id)
          .map(({ reading }) => meaning(asMeant(readingJson(reading))))
          .sort()
        const lines = (await textOf(pool, queryFor(id))).split('\n').slice(0, -1)
        assert.deepEqual(lines.map((line) => meaning(asMeant(line))).sort(), wanted)
        const array = (await textOf(pool, queryFor(id, { format: 'json' }))).replace(',', '[')
        assert.deepEqual((parseJson(`${array}]`) as unknown[]).map(meaning).sort(), wanted)
        const records = csvRecords(await textOf(pool, queryFor(id, { format: 'csv' })))
        assert.deepEqual(records.map((record) => meaning(meantByCsv(record))).sort(), wanted)
      }
    }),
    { numRuns: 8 },
  )
})

/** Four of each instant, spread over days and over gaps between chunks. */
const many = Array.from({ length: 2_600 }, (_, i) => {
  const n = i + 1
  const day = [1, 2, 3, 9, 28][n % 5] ?? 1
  const time = `2026-02-${String(day).padStart(2, '0')}T00:00:00.${String(Math.floor(n / 20)).padStart(6, '0')}Z`
  return row(n, time.replace(/0+Z$/, 'Z').replace('.Z', 'Z'))
})
const inOrder = many
  .toSorted(
    (a, b) => Date.parse(a.reading.timestamp) - Date.parse(b.reading.timestamp) || a.id.low - b.id.low,
  )
  .map(({ reading }) => reading.part_count)

const partCounts = (lines: string) =>
  lines
    .split('\n')
    .slice(0, -1)
    .map((line) => asMeant(line)['part_count'])

test('pages put together are the whole, in both orders, whatever their size', async () => {
  const pool = await store.emptied()
  await insert(pool, many)
  const turns = exportTurns(pool, 2)
  assert.deepEqual(partCounts(await textOf(pool, queryFor('M'))), inOrder)
  for (const order of ['asc', 'desc'] as const) {
    const wanted = order === 'asc' ? inOrder : inOrder.toReversed()
    for (const limit of [137, 650, 2_600]) {
      const found: unknown[] = []
      let after: ReadingKey | null = null
      for (let more = true; more;) {
        const page = await limitedReadings(pool, turns, queryFor('M', { order, after }), limit)
        const counts = partCounts(Buffer.concat(page.texts).toString())
        found.push(...counts)
        ;({ more, last: after } = page)
        assert.ok(counts.length === limit || !more)
      }
      assert.deepEqual(found, wanted, `${order}, ${limit} at once`)
    }
  }
  const [startTime, endTime] = ['2026-02-02T00:00:00.000001Z', '2026-02-09T00:00:00.000002Z']
  const window = queryFor('M', { startTime, endTime })
  const padded = (time: string) => (time.length === 20 ? time.replace('Z', '.000000Z') : time)
  const inWindow = (n: number | null) => {
    const time = padded(many.find(({ reading }) => reading.part_count === n)?.reading.timestamp ?? '')
    return time >= startTime && time <= endTime
  }
  assert.deepEqual(partCounts(await textOf(pool, window)), inOrder.filter(inWindow))
})

test('pages put together are the whole while readings arrive', async () => {
  const pool = await store.emptied()
  await insert(pool, many)
  const found: unknown[] = []
  let arriving = 10_000
  for await (const page of readingPages(pool, exportTurns(pool, 2), queryFor('M'))) {
    found.push(...partCounts(page.text.toString()))
    // Before the page's end, at it, and beyond everything, in a chunk that was not there.
    const { time } = page.last
    const later = row(arriving++, '2026-03-09T00:00:00Z')
    await insert(pool, [
      row(arriving++, '2026-01-01T00:00:00Z'),
      row(arriving++, time.replace(/0+Z$/, 'Z')),
      later,
    ])
  }
  assert.deepEqual(
    found.filter((n) => Number(n) < 10_000),
    inOrder,
  )
  assert.equal(new Set(found).size, found.length)
  assert.ok(found.includes(10_000), 'what was stored ahead of the last key is given as well')
})

test('machines follow each other by id, and a page may end in any of them', async () => {
  const pool = await store.emptied()
  const ids = ['b', 'a', 'ä', 'a"b', "it's \\", 'A']
  await insert(
    pool,
    ids.flatMap((machine_id, m) =>
      [1, 2, 3].map((n) => row(m * 10 + n, `2026-02-0${n}T00:00:00Z`, { machine_id })),
    ),
  )
  await pool.query('INSERT INTO machines (id, registered) SELECT unnest($1::text[]), false', [
    [...ids, 'silent'],
  ])
  const turns = exportTurns(pool, 2)
  const idsOf = (text: string) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => asMeant(line)['machine_id'])
  const all = idsOf(await textOf(pool, queryFor('', { machineIds: null })))
  assert.deepEqual(new Set(all), new Set(ids))
  assert.equal(all.length, 18)
  const found: unknown[] = []
  let after: ReadingKey | null = null
  for (let more = true; more;) {
    const page = await limitedReadings(pool, turns, queryFor('', { machineIds: null, after }), 4)
    found.push(...idsOf(Buffer.concat(page.texts).toString()))
    ;({ more, last: after } = page)
  }
  assert.deepEqual(found, all)
  const some = idsOf(await textOf(pool, queryFor('', { machineIds: ['b', 'nobody', 'a', 'b'] })))
  assert.deepEqual(some, ['a', 'a', 'a', 'b', 'b', 'b'])
})

test('readings that are large come in smaller pages, and one that is larger than a page comes alone', async () => {
  const pool = await store.emptied()
  const program = 'P'.repeat(100_000)
  await insert(
    pool,
    Array.from({ length: 120 }, (_, i) => row(i + 1, '2026-02-01T00:00:00Z', { program })),
  )
  await insert(pool, [row(200, '2026-02-01T00:00:00Z', { program: 'P'.repeat(9 * 2 ** 20) })])
  const sizes: number[] = []
  let readings = 0
  for await (const page of readingPages(pool, exportTurns(pool, 2), queryFor('M'))) {
    sizes.push(page.text.length)
    readings += page.readings
  }
  assert.equal(readings, 121)
  assert.deepEqual(sizes.filter((bytes) => bytes > 8 * 2 ** 20).length, 1)
  const { texts, more } = await limitedReadings(pool, exportTurns(pool, 2), queryFor('M'), 120)
  assert.ok(Buffer.concat(texts).length < 16 * 2 ** 20)
  assert.equal(more, true)
})

test('an export leaves no connection behind, also when it is broken off in the middle', async () => {
  const pool = await store.emptied()
  await insert(pool, many)
  for (let i = 0; i < 10; i++) {
    for await (const page of readingPages(pool, exportTurns(pool, 2), queryFor('M'))) {
      assert.ok(page.readings > 0)
      break
    }
  }
  await until('its last pages are read', () => pool.idleCount === pool.totalCount && pool.waitingCount === 0)
})

test('fields narrow what is given', async () => {
  const pool = await store.emptied()
  await insert(pool, [row(1, '2026-02-01T00:00:00Z', { temperature: 1.5, extra: '{"heat":1}' })])
  const of = (names: readonly string[], extra: boolean) =>
    textOf(
      pool,
      queryFor('M', { shown: { fields: readingFields.filter(({ name }) => names.includes(name)), extra } }),
    )
  assert.equal(
    await of(['temperature'], false),
    '{"machine_id":"M","timestamp":"2026-02-01T00:00:00Z","temperature":1.5}\n',
  )
  assert.equal(await of([], true), '{"machine_id":"M","timestamp":"2026-02-01T00:00:00Z","heat": 1}\n')
  assert.equal(await of([], false), '{"machine_id":"M","timestamp":"2026-02-01T00:00:00Z"}\n')
})
