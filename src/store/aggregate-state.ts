// How far readings_by_minute and readings_by_hour are: one row, which every monitor reads and the job moves.
import type { AggregateRefresh } from '../observation.ts'
import type { PolicyFacts } from '../storage-facts.ts'
import type { Pool } from './pool.ts'

/** How often the job runs. */
export const RUN_EVERY_MS = 60_000

interface AggregateState extends AggregateRefresh {
  /** Readings before it are late, `YYYY-MM-DDTHH:MM`. */
  readonly lateBefore: string
  /** The next run is due. */
  readonly isDue: boolean
}

const utc = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

export async function readAggregateState(pool: Pool): Promise<AggregateState> {
  const { rows } = await pool.query<AggregateState>(
    `SELECT ${utc('refreshed_until')} AS "refreshedUntil", ${utc('last_run')} AS "lastRun",
       ${utc('last_success')} AS "lastSuccess", ${utc('last_failure')} AS "lastFailure",
       last_failure_reason AS "lastFailureReason",
       (SELECT count(DISTINCT hour)::float8 FROM late_hours) AS "lateWindows",
       to_char(late_before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI') AS "lateBefore",
       coalesce(extract(epoch FROM now() - last_run) * 1000 >= $1, true) AS "isDue"
     FROM aggregate_state`,
    [RUN_EVERY_MS],
  )
  const [state] = rows
  if (state === undefined) throw new Error('The table aggregate_state has lost its row.')
  return state
}

/** How the aggregates stand. */
export async function aggregateRefresh(pool: Pool): Promise<AggregateRefresh> {
  const { lateBefore: _, isDue: __, ...refresh } = await readAggregateState(pool)
  return refresh
}

/** What the job does, as TimescaleDB says it of its own policies. */
export async function aggregatePolicies(pool: Pool): Promise<PolicyFacts[]> {
  const { lastRun, lastSuccess, lastFailure, lastFailureReason } = await readAggregateState(pool)
  const facts = {
    schedule_seconds: RUN_EVERY_MS / 1_000,
    last_run: lastRun,
    last_success: lastSuccess,
    last_failure: lastFailure === null ? null : { at: lastFailure, reason: lastFailureReason ?? '' },
    next_run: lastRun === null ? null : new Date(Date.parse(lastRun) + RUN_EVERY_MS).toISOString(),
  }
  return [
    { name: 'refresh_continuous_aggregate', table: 'readings_by_minute', ...facts },
    { name: 'refresh_continuous_aggregate', table: 'readings_by_hour', ...facts },
    { name: 'retention', table: 'sensor_data', ...facts },
  ]
}
