// How many rows tables hold, without reading them: as the planner does it, rows per page times pages.
//
// Rows per page are those that the last ANALYZE counted, however long ago; a table that was never analysed is looked
// into, at its first pages. A small table is thereby counted exactly.
import type { Pool } from './pool.ts'

export interface TableSize {
  /** As it is written in a statement. */
  readonly name: string
  /** Pages it has now. */
  readonly pages: number
  /** What ANALYZE found last; no pages: it was never analysed, or was empty. */
  readonly countedPages: number
  readonly countedRows: number
}

const LOOKED_AT_PAGES = 64

/** The rows of tables of one kind: where several were never analysed, the last one stands for all of them. */
export async function estimateRows(pool: Pool, tables: readonly TableSize[]): Promise<number> {
  const counted = tables.filter(isCounted)
  const others = tables.filter((table) => !isCounted(table) && table.pages > 0)
  const known = counted.reduce(
    (sum, table) => sum + (table.countedRows / table.countedPages) * table.pages,
    0,
  )
  const last = others.at(-1)
  if (last === undefined) return Math.round(known)
  const pages = Math.min(last.pages, LOOKED_AT_PAGES)
  const { rows } = await pool.query<{ rows: number }>(
    `SELECT count(*)::int AS rows FROM ${last.name} WHERE ctid < '(${pages},0)'::tid`,
  )
  const perPage = (rows[0]?.rows ?? 0) / pages
  return Math.round(known + others.reduce((sum, table) => sum + perPage * table.pages, 0))
}

function isCounted({ countedPages, countedRows }: TableSize): boolean {
  return countedPages > 0 && countedRows >= 0
}
