// The chunks of the hypertables and what they take on the disk, in one query: TimescaleDB's own functions ask for
// each chunk's size several times over.
import type { ChunkFacts } from '../storage-facts.ts'
import type { Pool } from './pool.ts'
import type { TableSize } from './row-estimate.ts'

export interface Chunk extends ChunkFacts {
  readonly hypertable: string
  /** Rows that were compressed; those written since are in `table`. */
  readonly compressedRows: number
  /** Its uncompressed part. */
  readonly table: TableSize
}

interface Row {
  hypertable: string
  start: number
  end: number
  bytes: string
  before: string | null
  packed_rows: string
  table: string
  pages: number
  counted_pages: number
  counted_rows: number
}

/** The chunks of these hypertables, oldest first. */
export async function readChunks(pool: Pool, hypertables: readonly string[]): Promise<Chunk[]> {
  const { rows } = await pool.query<Row>(
    `SELECT c.hypertable_name AS hypertable,
       extract(epoch FROM c.range_start)::float8 * 1000 AS start, extract(epoch FROM c.range_end)::float8 * 1000 AS end,
       pg_total_relation_size(k.oid) + coalesce(pg_total_relation_size(z.oid), 0) AS bytes,
       s.uncompressed_heap_size + s.uncompressed_toast_size + s.uncompressed_index_size AS before,
       coalesce(s.numrows_pre_compression, 0) AS packed_rows,
       k.oid::regclass::text AS table, (pg_relation_size(k.oid) / current_setting('block_size')::int)::float8 AS pages,
       k.relpages::float8 AS counted_pages, k.reltuples::float8 AS counted_rows
     FROM timescaledb_information.chunks c
     JOIN pg_namespace n ON n.nspname = c.chunk_schema
     JOIN pg_class k ON k.relnamespace = n.oid AND k.relname = c.chunk_name
     JOIN _timescaledb_catalog.chunk t ON t.schema_name = c.chunk_schema AND t.table_name = c.chunk_name
     LEFT JOIN _timescaledb_catalog.compression_chunk_size s ON s.chunk_id = t.id
     LEFT JOIN _timescaledb_catalog.chunk p ON p.id = t.compressed_chunk_id
     LEFT JOIN pg_namespace pn ON pn.nspname = p.schema_name
     LEFT JOIN pg_class z ON z.relnamespace = pn.oid AND z.relname = p.table_name
     WHERE c.hypertable_name = ANY($1)
     ORDER BY c.range_start`,
    [hypertables],
  )
  return rows.map((row) => ({
    hypertable: row.hypertable,
    startMs: row.start,
    endMs: row.end,
    bytes: Number(row.bytes),
    bytesBeforeCompression: row.before === null ? null : Number(row.before),
    compressedRows: Number(row.packed_rows),
    table: {
      name: row.table,
      pages: row.pages,
      countedPages: row.counted_pages,
      countedRows: row.counted_rows,
    },
  }))
}
