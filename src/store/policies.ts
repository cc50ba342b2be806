// TimescaleDB's policies and the job of the aggregates, and how their last runs went.
import type { PolicyFacts } from '../storage-facts.ts'
import { aggregatePolicies } from './aggregate-state.ts'
import type { Pool } from './pool.ts'

const utc = (column: string) =>
  `CASE WHEN isfinite(${column}) THEN to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END`

interface Row extends Omit<PolicyFacts, 'last_failure'> {
  failed_at: string | null
  failure: string | null
}

export async function readPolicies(pool: Pool): Promise<PolicyFacts[]> {
  const { rows } = await pool.query<Row>(
    `SELECT replace(j.proc_name, 'policy_', '') AS name, coalesce(a.view_name, j.hypertable_name) AS table,
       extract(epoch FROM j.schedule_interval)::float8 AS schedule_seconds,
       ${utc('s.last_run_started_at')} AS last_run, ${utc('s.last_successful_finish')} AS last_success,
       ${utc('s.next_start')} AS next_run, ${utc('e.at')} AS failed_at, e.reason AS failure
     FROM timescaledb_information.jobs j
     LEFT JOIN timescaledb_information.job_stats s USING (job_id)
     LEFT JOIN timescaledb_information.continuous_aggregates a
       ON (a.materialization_hypertable_schema, a.materialization_hypertable_name) = (j.hypertable_schema, j.hypertable_name)
     LEFT JOIN LATERAL (
       SELECT coalesce(finish_time, start_time) AS at, coalesce(err_message, 'no reason is on record') AS reason
       FROM timescaledb_information.job_errors
       -- One without an end and with a process is under way.
       WHERE job_id = j.job_id AND (finish_time IS NOT NULL OR pid IS NULL)
       ORDER BY start_time DESC LIMIT 1) e ON true
     WHERE j.proc_name LIKE 'policy\\_%' AND j.hypertable_name IS NOT NULL
     ORDER BY j.job_id`,
  )
  const own = await aggregatePolicies(pool)
  const found = rows.map(({ failed_at: at, failure, ...row }) => ({
    ...row,
    last_failure: at === null ? null : { at, reason: failure ?? '' },
  }))
  return [...found, ...own]
}
