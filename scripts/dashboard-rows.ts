// What the dashboard shows, row by row; scripts/dashboard.ts puts it into Grafana's format.
//
// Figures of the stream and its consumer are the same from every monitor that shares them: the largest is shown,
// never the sum. `{$of}` stands for the selection of the variables.

export interface Panel {
  readonly title: string
  readonly kind: 'stat' | 'timeseries'
  readonly unit: string
  readonly meaning: string
  /** Query by legend; Grafana's legend template. */
  readonly queries: Readonly<Record<string, string>>
}

const quantiles = (metric: string, by = '') =>
  Object.fromEntries(
    [0.5, 0.99].map((q) => [
      `p${q * 100}${by === '' ? '' : ` {{${by}}}`}`,
      `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${metric}_bucket{$of}[$__rate_interval])))`,
    ]),
  )
const average = (metric: string) =>
  `sum(rate(${metric}_sum{$of}[$__rate_interval])) / sum(rate(${metric}_count{$of}[$__rate_interval]))`
const rateBy = (metric: string, label: string) => ({
  [`{{${label}}}`]: `sum by (${label}) (rate(${metric}{$of}[$__rate_interval]))`,
})
const stat = (title: string, meaning: string, queries: Record<string, string>): Panel => ({
  title,
  meaning,
  queries,
  kind: 'stat',
  unit: 'none',
})
const series = (title: string, unit: string, meaning: string, queries: Record<string, string>): Panel => ({
  title,
  unit,
  meaning,
  queries,
  kind: 'timeseries',
})

export const rows: Readonly<Record<string, readonly Panel[]>> = {
  'Is it well?': [
    stat('Monitors', 'Monitors that are scraped.', { monitors: 'count(cnc_monitor_build_info{$of})' }),
    stat('Ready', '1: every monitor is ready.', { ready: 'min(cnc_monitor_ready{$of})' }),
    stat('Taking', '0: a monitor is interrupted.', { taking: 'min(cnc_monitor_taking{$of})' }),
    stat('Servers', '0: a server does not answer some monitor.', {
      '{{dependency}}': 'min by (dependency) (cnc_monitor_dependency_up{$of})',
    }),
    stat('Stream known', '0: the figures of stream and consumer are missing.', {
      known: 'min(cnc_monitor_broker_poll_success{$of})',
    }),
    stat('Versions', 'Monitors by version and Node.', {
      '{{version}} on {{node}}': 'count by (version, node) (cnc_monitor_build_info{$of})',
    }),
  ],
  Throughput: [
    series('Readings stored', 'suffix:/s', 'New rows, by monitor.', {
      '{{instance}}': 'sum by (instance) (rate(cnc_monitor_readings_stored_total{$of}[$__rate_interval]))',
    }),
    series(
      'Messages by outcome',
      'suffix:/s',
      'given_back comes again.',
      rateBy('cnc_monitor_messages_total', 'outcome'),
    ),
    series('Payload', 'Bps', 'Bytes of messages taken.', {
      payload: 'sum(rate(cnc_monitor_batch_payload_bytes_sum{$of}[$__rate_interval]))',
    }),
    series(
      'From receipt to commit',
      's',
      'How old the oldest message of a batch is when it is in the table.',
      quantiles('cnc_monitor_receipt_to_commit_seconds'),
    ),
  ],
  Backlog: [
    series('Waiting messages', 'short', 'Never delivered yet, and delivered but unanswered with its limit.', {
      'pending {{job}}': 'max by (job) (cnc_monitor_consumer_pending_messages{$of})',
      'unanswered {{job}}': 'max by (job) (cnc_monitor_consumer_ack_pending_messages{$of})',
      'limit of unanswered {{job}}': 'max by (job) (cnc_monitor_consumer_max_ack_pending_messages{$of})',
    }),
    series('Distance to the end', 'short', 'Below 0: the position lies beyond the end of the stream.', {
      '{{job}}': 'min by (job) (cnc_monitor_consumer_distance_to_end_messages{$of})',
    }),
    series('Stream filled', 'percentunit', 'At 100 % publishers are refused.', {
      '{{job}}': 'max by (job) (cnc_monitor_stream_bytes{$of} / cnc_monitor_stream_max_bytes{$of})',
    }),
    series('Delivered again', 'suffix:/s', 'Redeliveries, and readings found in the table already.', {
      deliveries: 'sum(rate(cnc_monitor_messages_redelivered_total{$of}[$__rate_interval]))',
      'readings already stored':
        'sum(rate(cnc_monitor_readings_already_stored_total{$of}[$__rate_interval]))',
    }),
    series('Pull requests waiting', 'short', '0: nobody asks for messages.', {
      '{{job}}': 'max by (job) (cnc_monitor_consumer_waiting_pulls{$of})',
    }),
  ],
  'Batches and commits': [
    series(
      'Commit',
      's',
      'Time of the database for a batch.',
      quantiles('cnc_monitor_commit_duration_seconds'),
    ),
    series('Size of a batch', 'short', 'On average.', {
      messages: average('cnc_monitor_batch_messages'),
      readings: average('cnc_monitor_batch_readings'),
    }),
    series(
      'Why batches are cut',
      'suffix:/s',
      'age: a quiet shop; messages, readings, bytes: a busy one.',
      rateBy('cnc_monitor_batches_cut_total', 'reason'),
    ),
    series(
      'Age of a batch when cut',
      's',
      'At most BATCH_MAX_AGE_MS, longer while all writers are busy.',
      quantiles('cnc_monitor_batch_age_seconds'),
    ),
    series('Batches in flight', 'short', 'At BATCHES_IN_FLIGHT the database is what bounds the rate.', {
      '{{instance}}': 'cnc_monitor_batches_in_flight{$of}',
    }),
    series(
      'Batches the database did not take',
      'suffix:/s',
      'They are given back and come again.',
      rateBy('cnc_monitor_batch_failures_total', 'failure'),
    ),
    series(
      'Interruptions',
      'suffix:/s',
      'By the server that was the cause.',
      rateBy('cnc_monitor_interruptions_total', 'dependency'),
    ),
  ],
  Refused: [
    series(
      'Dead letters',
      'suffix:/s',
      'By reason; GET /api/v1/dead-letters shows them.',
      rateBy('cnc_monitor_dead_letters_total', 'reason'),
    ),
    series('Readings refused', 'suffix:/s', 'Also those beyond the dead letters kept of a message.', {
      readings: 'sum(rate(cnc_monitor_readings_refused_total{$of}[$__rate_interval]))',
    }),
  ],
  Aggregates: [
    series('Behind', 's', 'About a minute and a half; more: they are being refreshed, or that fails.', {
      '{{job}}': 'time() - max by (job) (cnc_monitor_aggregates_refreshed_until_timestamp_seconds{$of})',
    }),
    series('Hours of late readings', 'short', 'That wait to be aggregated anew.', {
      '{{job}}': 'max by (job) (cnc_monitor_aggregates_late_windows{$of})',
    }),
  ],
  Live: [
    series('Live clients', 'short', 'By kind; LIVE_MAX_CLIENTS is the limit of each monitor.', {
      '{{kind}}': 'sum by (kind) (cnc_monitor_live_clients{$of})',
    }),
    series('Frames', 'suffix:/s', 'Written to clients, and what slow clients skipped.', {
      'sent {{kind}}': 'sum by (kind) (rate(cnc_monitor_live_frames_sent_total{$of}[$__rate_interval]))',
      'skipped {{kind}}':
        'sum by (kind) (rate(cnc_monitor_live_frames_skipped_total{$of}[$__rate_interval]))',
    }),
    series(
      'From receipt to frame',
      's',
      'How old a reading is when it is shown live.',
      quantiles('cnc_monitor_live_receipt_to_frame_seconds'),
    ),
    series(
      'Live clients closed by the monitor',
      'suffix:/s',
      'slow: nothing taken; silent: no pong; talkative: too much sent.',
      rateBy('cnc_monitor_live_clients_closed_total', 'reason'),
    ),
  ],
  'HTTP and process': [
    series('Requests', 'reqps', 'By route and class of status.', {
      '{{method}} {{route}} {{status}}':
        'sum by (method, route, status) (rate(cnc_monitor_http_request_duration_seconds_count{$of}[$__rate_interval]))',
    }),
    series('Time of a request', 's', '99 of 100 are faster.', {
      '{{route}}':
        'histogram_quantile(0.99, sum by (le, route) (rate(cnc_monitor_http_request_duration_seconds_bucket{$of}[$__rate_interval])))',
    }),
    series('CPU', 'percentunit', '100 % is one core.', {
      '{{instance}}': 'rate(process_cpu_seconds_total{$of}[$__rate_interval])',
    }),
    series('Memory', 'bytes', 'Resident, and what of it is the JavaScript heap.', {
      'resident {{instance}}': 'process_resident_memory_bytes{$of}',
      'heap {{instance}}': 'nodejs_heap_size_used_bytes{$of}',
    }),
    series('Event loop delay', 's', 'p99 between two scrapes.', {
      '{{instance}}': 'nodejs_eventloop_lag_p99_seconds{$of}',
    }),
    series('Garbage collection', 'percentunit', 'Share of the time.', {
      '{{instance}} {{kind}}': 'rate(nodejs_gc_duration_seconds_sum{$of}[$__rate_interval])',
    }),
  ],
}
