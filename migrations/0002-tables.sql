-- Every life of a stream, numbered: a stream made anew counts from 1 again (docs/decisions/0003).
CREATE TABLE stream_incarnations (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (id < 131072),
  stream text NOT NULL,
  created_at text NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(),
  UNIQUE (stream, created_at)
);

CREATE TABLE machines (
  id text PRIMARY KEY,
  name text,
  location text,
  controller_type text,
  max_spindle_speed_rpm double precision,
  axis_count integer,
  registered boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_updated timestamptz NOT NULL DEFAULT now()
);

-- The primary key is the identity of a row and the one index: on a hot hypertable an index costs more than
-- the rows. It also serves the readings of one machine in order of time.
CREATE TABLE sensor_data (
  machine_id text NOT NULL,
  time timestamptz NOT NULL,
  message_id bigint NOT NULL,
  position integer NOT NULL,
  received_at timestamptz NOT NULL,
  temperature double precision,
  spindle_speed double precision,
  x_pos_mm double precision,
  y_pos_mm double precision,
  z_pos_mm double precision,
  feed_rate_actual double precision,
  spindle_load_percent double precision,
  machine_state text,
  active_program_line bigint,
  total_power_kw double precision,
  controller_mode text,
  program text,
  emergency_stop text,
  feed_override_percent double precision,
  part_count bigint,
  alarms jsonb,
  extra jsonb,
  PRIMARY KEY (machine_id, time, message_id, position)
);

SELECT create_hypertable('sensor_data', by_range('time', INTERVAL '1 day'), create_default_indexes => false);

CREATE TABLE dead_letters (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message_id bigint NOT NULL,
  position integer NOT NULL,
  stream text NOT NULL,
  sequence bigint NOT NULL,
  subject text NOT NULL,
  code text NOT NULL,
  reason text NOT NULL,
  payload bytea NOT NULL,
  more integer NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (message_id, position)
);
