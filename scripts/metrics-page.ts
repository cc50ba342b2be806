// docs/metrics.md, made from the registry itself.
import { openMetrics } from '../src/metrics.ts'

/** A metric as prom-client keeps it; its type file leaves the labels out. */
interface Declared {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly labelNames: readonly string[]
}

export async function metricsPage(): Promise<string> {
  const { registry } = openMetrics({
    version: 'any',
    readiness: () => ({ ready: false, checks: {} }),
    broker: () => ({ standing: null, lastSuccessMs: null }),
  })
  const declared = (registry.getMetricsAsArray() as unknown as Declared[]).filter(({ name }) =>
    name.startsWith('cnc_monitor_'),
  )
  const rows = declared.map(
    ({ name, help, type, labelNames }) => `| \`${name}\` | ${type} | ${labelNames.join(', ')} | ${help} |`,
  )
  const values = await registry.getMetricsAsJSON()
  const labelRows = declared
    .filter(({ type, labelNames }) => type === 'counter' && labelNames.length > 0)
    .map(({ name, labelNames: [label = ''] }) => {
      // Every series of these exists from the start.
      const series = values.find((metric) => metric.name === name)?.values ?? []
      return `| \`${name}\` | ${label} | ${series.map(({ labels }) => labels[label]).join(', ')} |`
    })
  return [
    '# Metrics',
    '`GET /metrics` gives these in Prometheus’ text form. A scrape waits for nothing: figures of the broker are asked for ' +
      'every 5 s in the background, and left out when that failed or is more than 15 s ago. Times are in seconds, sizes in ' +
      'bytes. A histogram has the series `_bucket`, `_sum` and `_count`. Counters begin at 0 with every start of the monitor. ' +
      'What to watch and what the alerts mean is in [operations.md](operations.md). This page is made from the registry by ' +
      '`npm run docs`.',
    '',
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    'These labels have these values and no others:',
    '',
    '| metric | label | values |',
    '| --- | --- | --- |',
    ...labelRows,
    '',
    'Besides, the figures of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`, ' +
      '`process_start_time_seconds`, …) and of Node (`nodejs_eventloop_lag_p99_seconds`, `nodejs_gc_duration_seconds`, ' +
      '`nodejs_heap_size_used_bytes`, …), as prom-client gives them.',
    '',
  ].join('\n')
}
