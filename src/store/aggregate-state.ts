// How far readings_by_minute and readings_by_hour are: one row, which every monitor reads and the job moves.
import type { AggregateRefresh } from '../observation.ts'
import type { Pool } from './pool.ts'

interface AggregateState extends AggregateRefresh {
  /** Readings before it are late, `YYYY-MM-DDTHH:MM`. */
  readonly lateBefore: string
  /** The last run began longer ago than `everyMs`. */
  readonly isDue: boolean
}

const utc = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

export async function readAggregateState(pool: Pool, everyMs: number): Promise<AggregateState> {
  const { rows } = await pool.query<AggregateState>(
    `SELECT ${utc('refreshed_until')} AS "refreshedUntil", ${utc('last_run')} AS "lastRun",
       ${utc('last_success')} AS "lastSuccess", ${utc('last_failure')} AS "lastFailure",
       last_failure_reason AS "lastFailureReason",
       (SELECT count(DISTINCT hour)::float8 FROM late_hours) AS "lateWindows",
       to_char(late_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS "lateBefore",
       coalesce(extract(epoch FROM now() - last_run) * 1000 >= $1, true) AS "isDue"
     FROM aggregate_state`,
    [everyMs],
  )
  const [state] = rows
  if (state === undefined) throw new Error('The table aggregate_state has lost its row.')
  return state
}

/** How the aggregates stand. */
export async function aggregateRefresh(pool: Pool): Promise<AggregateRefresh> {
  const { lateBefore: _, isDue: __, ...refresh } = await readAggregateState(pool, 0)
  return refresh
}
