// What everything takes on the disk. Reads the catalogue and a few pages, never the readings: it costs the same
// however many there are, and a little for each chunk.
import type { StorageFacts } from '../storage-facts.ts'
import { readChunks, type Chunk } from './chunk-sizes.ts'
import { readPolicies } from './policies.ts'
import type { Pool } from './pool.ts'
import { estimateRows } from './row-estimate.ts'

const READINGS = 'sensor_data'

export async function readStorage(pool: Pool): Promise<StorageFacts> {
  const { rows: views } = await pool.query<{ name: string; table: string }>(
    `SELECT view_name AS name, materialization_hypertable_name AS table
     FROM timescaledb_information.continuous_aggregates ORDER BY view_name`,
  )
  const all = await readChunks(pool, [READINGS, ...views.map(({ table }) => table)])
  const chunks = all.filter(({ hypertable }) => hypertable === READINGS)
  const uncompressed = await estimateRows(
    pool,
    chunks.map(({ table }) => table),
  )
  const { rows: sizes } = await pool.query<{
    bytes: string
    letter_bytes: string
    pages: number
    n: number
    of: number
  }>(
    `SELECT pg_database_size(current_database()) AS bytes, pg_total_relation_size(oid) AS letter_bytes,
       (pg_relation_size(oid) / current_setting('block_size')::int)::float8 AS pages,
       reltuples::float8 AS n, relpages::float8 AS of
     FROM pg_class WHERE oid = 'dead_letters'::regclass`,
  )
  const [{ bytes, letter_bytes, pages, n, of } = { bytes: 0, letter_bytes: 0, pages: 0, n: 0, of: 0 }] = sizes
  const letters = { name: 'dead_letters', pages, countedPages: of, countedRows: n }
  return {
    bytes: Number(bytes),
    chunks,
    rowsEstimate: uncompressed + chunks.reduce((sum, { compressedRows }) => sum + compressedRows, 0),
    oldest: await firstTime(pool, chunks, 'ASC'),
    newest: await firstTime(pool, chunks.toReversed(), 'DESC'),
    aggregates: views.map(({ name, table }) => {
      const mine = all.filter(({ hypertable }) => hypertable === table)
      return { name, bytes: mine.reduce((sum, chunk) => sum + chunk.bytes, 0), chunks: mine.length }
    }),
    deadLetters: { rowsEstimate: await estimateRows(pool, [letters]), bytes: Number(letter_bytes) },
    policies: await readPolicies(pool),
  }
}

/** The time at this end of the first chunk that is not empty: one look into the index for each machine. */
async function firstTime(
  pool: Pool,
  chunks: readonly Chunk[],
  direction: 'ASC' | 'DESC',
): Promise<string | null> {
  const sql = `
    SELECT to_char(r.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
    FROM machines m CROSS JOIN LATERAL (
      SELECT time FROM sensor_data
      WHERE machine_id = m.id AND time >= to_timestamp($1::float8 / 1000) AND time < to_timestamp($2::float8 / 1000)
      ORDER BY time ${direction} LIMIT 1) r
    ORDER BY r.time ${direction} LIMIT 1`
  for (const { startMs, endMs } of chunks) {
    const { rows } = await pool.query<{ time: string }>(sql, [startMs, endMs])
    const [first] = rows
    if (first !== undefined) return first.time.replace(/\.?0*Z$/, 'Z')
  }
  return null
}
