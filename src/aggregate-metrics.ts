// How the aggregates by minute and hour stand: gauges from what the job found last.
import type { Registry } from 'prom-client'
import type { AggregateRefresh } from './observation.ts'
import { declareGauge } from './state-metrics.ts'

/** What is exported; null: there is no such figure yet. */
const gauges: readonly {
  readonly name: string
  readonly help: string
  readonly value: (refresh: AggregateRefresh) => number | null
}[] = [
  {
    name: 'cnc_monitor_aggregates_refreshed_until_timestamp_seconds',
    help: 'Up to this time both aggregates hold every reading; what is newer is aggregated when it is asked for.',
    value: ({ refreshedUntil }) => secondsOf(refreshedUntil),
  },
  {
    name: 'cnc_monitor_aggregates_late_windows',
    help: 'Hours of late readings that wait to be aggregated anew.',
    value: ({ lateWindows }) => lateWindows,
  },
  {
    name: 'cnc_monitor_aggregates_last_success_timestamp_seconds',
    help: 'When the job of the aggregates last ended well; absent: not once yet.',
    value: ({ lastSuccess }) => secondsOf(lastSuccess),
  },
  {
    name: 'cnc_monitor_aggregates_last_failure_timestamp_seconds',
    help: 'When the job of the aggregates last failed; absent: never.',
    value: ({ lastFailure }) => secondsOf(lastFailure),
  },
]

/** Declares them in `registry`; `latest`: null while nothing is known, and nothing is exported then. */
export function aggregateMetrics(registry: Registry, latest: () => AggregateRefresh | null): void {
  for (const { name, help, value } of gauges) {
    declareGauge(registry, name, help, [], (set) => {
      const refresh = latest()
      set({}, refresh === null ? null : value(refresh))
    })
  }
}

function secondsOf(time: string | null): number | null {
  return time === null ? null : Date.parse(time) / 1_000
}
