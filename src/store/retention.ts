// How long raw readings are kept: TimescaleDB's own policy, set from the configuration at every start.
import type { Pool } from './pool.ts'

/** Sets the policy to `days`; 0 keeps readings for ever. Does nothing when it is so already. */
export async function setRetention(pool: Pool, days: number): Promise<void> {
  const { rows } = await pool.query<{ days: number }>(
    `SELECT extract(epoch FROM (config->>'drop_after')::interval)::float8 / 86400 AS days
     FROM timescaledb_information.jobs
     WHERE proc_name = 'policy_retention' AND hypertable_name = 'sensor_data'`,
  )
  if ((rows[0]?.days ?? 0) === days) return
  await pool.query("SELECT remove_retention_policy('sensor_data', if_exists => true)")
  if (days === 0) return
  await pool.query(
    "SELECT add_retention_policy('sensor_data', make_interval(days => $1), if_not_exists => true)",
    [days],
  )
}
