// The readings of one machine are deleted: raw ones, then what the aggregates hold of them.
//
// Invariant: chunk by chunk and page by page, each a statement of its own, also where chunks are compressed: no
// statement runs long, and ingestion waits for none of them. Cut off in the middle it can be done again.
import type { Pool } from './pool.ts'

/** Rows of one statement, give or take those of one instant; far below what TimescaleDB decompresses at once. */
const PAGE_ROWS = 5_000

/** Resolves to how many raw readings there were. */
export async function deleteReadings(pool: Pool, machineId: string): Promise<number> {
  let raw = 0
  for (const table of await tables(pool)) {
    const deleted = await deleteFrom(pool, table, machineId)
    if (table.isRaw) raw += deleted
  }
  return raw
}

interface Table {
  /** Quoted, with its schema. */
  readonly name: string
  /** Quoted. */
  readonly time: string
  readonly isRaw: boolean
}

/** Raw readings, minutes, hours: nothing makes rows anew from what is gone already. */
async function tables(pool: Pool): Promise<Table[]> {
  const { rows } = await pool.query<Table>(
    `SELECT format('%I.%I', d.hypertable_schema, d.hypertable_name) AS name, format('%I', d.column_name) AS time,
       c.view_name IS NULL AS "isRaw"
     FROM timescaledb_information.dimensions d
     LEFT JOIN timescaledb_information.continuous_aggregates c
       ON (c.materialization_hypertable_schema, c.materialization_hypertable_name)
        = (d.hypertable_schema, d.hypertable_name)
     WHERE d.dimension_number = 1 AND (d.hypertable_name = 'sensor_data' OR c.view_name LIKE 'readings\\_by\\_%')
     ORDER BY c.view_name DESC NULLS FIRST`,
  )
  return rows
}

async function deleteFrom(pool: Pool, { name, time }: Table, machineId: string): Promise<number> {
  const { rows: chunks } = await pool.query<{ start: string; end: string }>(
    `SELECT range_start::text AS start, range_end::text AS end FROM timescaledb_information.chunks
     WHERE format('%I.%I', hypertable_schema, hypertable_name) = $1 ORDER BY range_start`,
    [name],
  )
  let all = 0
  const mine = `FROM ${name} WHERE machine_id = $1 AND ${time} >= $2`
  const find = `SELECT max(time)::text AS last
    FROM (SELECT ${time} AS time ${mine} AND ${time} < $3 ORDER BY ${time} LIMIT ${PAGE_ROWS}) page`
  const remove = `DELETE ${mine} AND ${time} <= $3`
  for (const { start, end } of chunks) {
    // Looked for first: planning a DELETE is dear where there are many chunks, a SELECT passes by the others.
    for (let from = start, rows = PAGE_ROWS; rows >= PAGE_ROWS; all += rows) {
      const [page] = (await pool.query<{ last: string | null }>(find, [machineId, from, end])).rows
      if (page === undefined || page.last === null) break
      rows = (await pool.query(remove, [machineId, from, page.last])).rowCount ?? 0
      from = page.last
    }
  }
  return all
}
