/*
 * The record of a policy's run, kept where TimescaleDB's own scheduler keeps it: job_stats and job_errors then tell
 * of this engine what they tell of a server, also after a restart.
 */

export interface PolicyRun {
  /** As timescaledb_information.jobs numbers it. */
  readonly job: string
  readonly elapsedMs: number
  readonly everyMs: number
  /** What the database said against it; null: it went well. */
  readonly failure: string | null
}

/** SQL that puts a run which has just ended on record; does nothing when the policy was removed meanwhile. */
export function recordOfRun({ job, elapsedMs, everyMs, failure }: PolicyRun): string {
  const took = `interval '${Math.round(elapsedMs)} ms'`
  const failed = failure === null ? 0 : 1
  const stat = `
    INSERT INTO _timescaledb_internal.bgw_job_stat AS s
      (job_id, last_start, last_finish, next_start, last_successful_finish, last_run_success, total_runs, total_duration,
       total_duration_failures, total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes)
    SELECT job_id, now() - ${took}, now(), now() + interval '${Math.round(everyMs)} ms',
      ${failed === 0 ? 'now()' : "'-infinity'"}, ${failed === 0}, 1, ${failed === 0 ? took : "interval '0'"},
      ${failed === 1 ? took : "interval '0'"}, ${1 - failed}, ${failed}, 0, ${failed}, 0
    FROM timescaledb_information.jobs WHERE job_id = ${Number(job)}
    ON CONFLICT (job_id) DO UPDATE SET
      last_start = excluded.last_start, last_finish = excluded.last_finish, next_start = excluded.next_start,
      last_successful_finish = greatest(s.last_successful_finish, excluded.last_successful_finish),
      last_run_success = excluded.last_run_success, total_runs = s.total_runs + 1,
      total_duration = s.total_duration + excluded.total_duration,
      total_duration_failures = s.total_duration_failures + excluded.total_duration_failures,
      total_successes = s.total_successes + excluded.total_successes,
      total_failures = s.total_failures + excluded.total_failures,
      consecutive_failures = excluded.consecutive_failures * (s.consecutive_failures + 1)`
  return failure === null ? stat : `${stat}; ${errorOf(job, took, failure)}`
}

/** Of each policy the last failures alone are kept: nothing else removes them here. */
function errorOf(job: string, took: string, failure: string): string {
  const data = JSON.stringify({ error_data: { message: failure } }).replaceAll("'", "''")
  const history = '_timescaledb_internal.bgw_job_stat_history'
  return `
    DELETE FROM ${history} WHERE job_id = ${Number(job)} AND id NOT IN
      (SELECT id FROM ${history} WHERE job_id = ${Number(job)} ORDER BY id DESC LIMIT 9);
    INSERT INTO ${history} (job_id, pid, execution_start, execution_finish, succeeded, data)
    SELECT job_id, 0, now() - ${took}, now(), false, '${data}' FROM timescaledb_information.jobs WHERE job_id = ${Number(job)}`
}
