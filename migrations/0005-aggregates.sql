-- Readings by the minute and by the hour (docs/decisions/0008). They are refreshed by a job of the monitor, in small
-- windows; TimescaleDB's own policy would leave a gap when it had not run for longer than its window.
--
-- Of readings at the same instant the one of the later message is the last one. first() and last() take
-- no row of three columns, hence their bytes, which order as the columns do within a minute. A sum leaves out
-- what is beyond 1e290, which no sensor means and which would end every query with an overflow.
CREATE MATERIALIZED VIEW readings_by_minute
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT machine_id, time_bucket('1 minute', time) AS bucket, count(*) AS readings,
  min(temperature) AS temperature_min, max(temperature) AS temperature_max, count(temperature) AS temperature_count,
  sum(temperature) FILTER (WHERE temperature BETWEEN -1e290 AND 1e290) AS temperature_sum,
  min(spindle_speed) AS spindle_speed_min, max(spindle_speed) AS spindle_speed_max, count(spindle_speed) AS spindle_speed_count,
  sum(spindle_speed) FILTER (WHERE spindle_speed BETWEEN -1e290 AND 1e290) AS spindle_speed_sum,
  min(x_pos_mm) AS x_pos_mm_min, max(x_pos_mm) AS x_pos_mm_max, count(x_pos_mm) AS x_pos_mm_count,
  sum(x_pos_mm) FILTER (WHERE x_pos_mm BETWEEN -1e290 AND 1e290) AS x_pos_mm_sum,
  min(y_pos_mm) AS y_pos_mm_min, max(y_pos_mm) AS y_pos_mm_max, count(y_pos_mm) AS y_pos_mm_count,
  sum(y_pos_mm) FILTER (WHERE y_pos_mm BETWEEN -1e290 AND 1e290) AS y_pos_mm_sum,
  min(z_pos_mm) AS z_pos_mm_min, max(z_pos_mm) AS z_pos_mm_max, count(z_pos_mm) AS z_pos_mm_count,
  sum(z_pos_mm) FILTER (WHERE z_pos_mm BETWEEN -1e290 AND 1e290) AS z_pos_mm_sum,
  min(feed_rate_actual) AS feed_rate_actual_min, max(feed_rate_actual) AS feed_rate_actual_max, count(feed_rate_actual) AS feed_rate_actual_count,
  sum(feed_rate_actual) FILTER (WHERE feed_rate_actual BETWEEN -1e290 AND 1e290) AS feed_rate_actual_sum,
  min(spindle_load_percent) AS spindle_load_percent_min, max(spindle_load_percent) AS spindle_load_percent_max, count(spindle_load_percent) AS spindle_load_percent_count,
  sum(spindle_load_percent) FILTER (WHERE spindle_load_percent BETWEEN -1e290 AND 1e290) AS spindle_load_percent_sum,
  min(active_program_line) AS active_program_line_min, max(active_program_line) AS active_program_line_max, count(active_program_line) AS active_program_line_count,
  sum(active_program_line) AS active_program_line_sum,
  min(total_power_kw) AS total_power_kw_min, max(total_power_kw) AS total_power_kw_max, count(total_power_kw) AS total_power_kw_count,
  sum(total_power_kw) FILTER (WHERE total_power_kw BETWEEN -1e290 AND 1e290) AS total_power_kw_sum,
  min(feed_override_percent) AS feed_override_percent_min, max(feed_override_percent) AS feed_override_percent_max, count(feed_override_percent) AS feed_override_percent_count,
  sum(feed_override_percent) FILTER (WHERE feed_override_percent BETWEEN -1e290 AND 1e290) AS feed_override_percent_sum,
  min(part_count) AS part_count_min, max(part_count) AS part_count_max, count(part_count) AS part_count_count,
  sum(part_count) AS part_count_sum,
  first(machine_state, timestamptz_send(time) || int8send(message_id) || int4send(position))
    FILTER (WHERE machine_state IS NOT NULL) AS machine_state_first,
  last(machine_state, timestamptz_send(time) || int8send(message_id) || int4send(position))
    FILTER (WHERE machine_state IS NOT NULL) AS machine_state_last
FROM sensor_data
GROUP BY 1, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW readings_by_hour
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT machine_id, time_bucket('1 hour', bucket) AS bucket, sum(readings)::int8 AS readings,
  min(temperature_min) AS temperature_min, max(temperature_max) AS temperature_max, sum(temperature_count)::int8 AS temperature_count,
  sum(temperature_sum) AS temperature_sum,
  min(spindle_speed_min) AS spindle_speed_min, max(spindle_speed_max) AS spindle_speed_max, sum(spindle_speed_count)::int8 AS spindle_speed_count,
  sum(spindle_speed_sum) AS spindle_speed_sum,
  min(x_pos_mm_min) AS x_pos_mm_min, max(x_pos_mm_max) AS x_pos_mm_max, sum(x_pos_mm_count)::int8 AS x_pos_mm_count,
  sum(x_pos_mm_sum) AS x_pos_mm_sum,
  min(y_pos_mm_min) AS y_pos_mm_min, max(y_pos_mm_max) AS y_pos_mm_max, sum(y_pos_mm_count)::int8 AS y_pos_mm_count,
  sum(y_pos_mm_sum) AS y_pos_mm_sum,
  min(z_pos_mm_min) AS z_pos_mm_min, max(z_pos_mm_max) AS z_pos_mm_max, sum(z_pos_mm_count)::int8 AS z_pos_mm_count,
  sum(z_pos_mm_sum) AS z_pos_mm_sum,
  min(feed_rate_actual_min) AS feed_rate_actual_min, max(feed_rate_actual_max) AS feed_rate_actual_max, sum(feed_rate_actual_count)::int8 AS feed_rate_actual_count,
  sum(feed_rate_actual_sum) AS feed_rate_actual_sum,
  min(spindle_load_percent_min) AS spindle_load_percent_min, max(spindle_load_percent_max) AS spindle_load_percent_max, sum(spindle_load_percent_count)::int8 AS spindle_load_percent_count,
  sum(spindle_load_percent_sum) AS spindle_load_percent_sum,
  min(active_program_line_min) AS active_program_line_min, max(active_program_line_max) AS active_program_line_max, sum(active_program_line_count)::int8 AS active_program_line_count,
  sum(active_program_line_sum) AS active_program_line_sum,
  min(total_power_kw_min) AS total_power_kw_min, max(total_power_kw_max) AS total_power_kw_max, sum(total_power_kw_count)::int8 AS total_power_kw_count,
  sum(total_power_kw_sum) AS total_power_kw_sum,
  min(feed_override_percent_min) AS feed_override_percent_min, max(feed_override_percent_max) AS feed_override_percent_max, sum(feed_override_percent_count)::int8 AS feed_override_percent_count,
  sum(feed_override_percent_sum) AS feed_override_percent_sum,
  min(part_count_min) AS part_count_min, max(part_count_max) AS part_count_max, sum(part_count_count)::int8 AS part_count_count,
  sum(part_count_sum) AS part_count_sum,
  first(machine_state_first, bucket) FILTER (WHERE machine_state_first IS NOT NULL) AS machine_state_first,
  last(machine_state_last, bucket) FILTER (WHERE machine_state_last IS NOT NULL) AS machine_state_last
FROM readings_by_minute
GROUP BY 1, 2
WITH NO DATA;

-- How far the aggregates are: one row.
CREATE TABLE aggregate_state (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Both aggregates hold everything before it, but for the hours that are marked as late.
  refreshed_until timestamptz NOT NULL,
  -- Readings before it are late: whoever stores one marks its hour.
  late_before timestamptz NOT NULL,
  late_before_since timestamptz NOT NULL DEFAULT now(),
  -- The late_before of before, which every monitor has left behind: what is not marked lies after it.
  unmarked_from timestamptz NOT NULL,
  -- Raw readings before it may have been removed: refreshing there would erase what the aggregates keep.
  raw_kept_since timestamptz NOT NULL DEFAULT '-infinity',
  -- Marks that came too late: the raw readings of their hour were no longer whole.
  late_below_floor bigint NOT NULL DEFAULT 0,
  last_run timestamptz,
  last_success timestamptz,
  last_failure timestamptz,
  last_failure_reason text
);

-- The hours of readings that came late, one row a batch and hour: no key, so that no writer waits for another.
CREATE TABLE late_hours (
  id bigint GENERATED ALWAYS AS IDENTITY,
  hour timestamptz NOT NULL
);

-- What is stored already is refreshed from the oldest chunk on; what arrives from now on and is older is late.
INSERT INTO aggregate_state (refreshed_until, late_before, unmarked_from)
SELECT least(now, (SELECT time_bucket('1 hour', min(range_start)) FROM timescaledb_information.chunks
                   WHERE hypertable_name = 'sensor_data')), now, now
FROM time_bucket('1 hour', now()) AS now;

-- The job removes old readings too, and only once they are in the aggregates. Nothing is in them yet, so what the
-- policy has removed so far can harm no more.
SELECT remove_retention_policy('sensor_data', if_exists => true);
