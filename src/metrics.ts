// The metrics of one running monitor: a registry of its own, and the observers that feed it.
//
// Invariant: the names begin with `cnc_monitor_`, follow Prometheus' conventions, and every series that can be
// known beforehand exists from the start with 0, so that the first event is seen as an increase. docs/metrics.md
// is made from this registry.
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { aggregateMetrics } from './aggregate-metrics.ts'
import { liveMetrics } from './live-metrics.ts'
import type { LiveObserver } from './live-types.ts'
import type { AggregateRefresh, BrokerPoll, PipelineObserver } from './observation.ts'
import { pipelineMetrics } from './pipeline-metrics.ts'
import type { Readiness } from './readiness.ts'
import { stateMetrics } from './state-metrics.ts'

export interface MetricsSources {
  /** Of this program. */
  readonly version: string
  /** Both say what is known already and are asked at every scrape. */
  readonly readiness: () => Readiness
  readonly broker: () => BrokerPoll
  /** Null while it is not known. */
  readonly aggregates?: () => AggregateRefresh | null
}

export interface Metrics {
  readonly pipeline: PipelineObserver
  readonly live: LiveObserver
  /** Counts a request that was answered. `route`: the route's template; undefined: no route took it. */
  request(method: string, route: string | undefined, status: number, durationMs: number): void
  readonly contentType: string
  /** All metrics in Prometheus' text form, from what is known: waits for no server. */
  exposition(): Promise<string>
  readonly registry: Registry
}

/**
 * Gauges whose names end in `_total`, which is for counters, and the deprecated lists they sum up; what they say
 * is in `nodejs_active_resources`.
 */
const UNCONVENTIONAL = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

export function openMetrics({ version, readiness, broker, aggregates }: MetricsSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const build = new Gauge({
    name: 'cnc_monitor_build_info',
    help: 'Always 1; the labels say which version runs on which Node.',
    labelNames: ['version', 'node'],
    registers,
  })
  build.set({ version, node: process.version }, 1)
  const { observer: pipeline, isTaking } = pipelineMetrics(registry)
  stateMetrics(registry, { readiness, broker, isTaking })
  aggregateMetrics(registry, aggregates ?? (() => null))
  const live = liveMetrics(registry)
  const requests = new Histogram({
    name: 'cnc_monitor_http_request_duration_seconds',
    help: 'HTTP requests answered, by method, route template and class of status; route "none": no such address.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers,
  })
  collectDefaultMetrics({ register: registry })
  for (const name of UNCONVENTIONAL) registry.removeSingleMetric(name)

  return {
    pipeline,
    live,
    request(method, route, status, durationMs) {
      // Where no route answers, a client may send any method: only known ones become a label.
      const labels = { method: route === undefined ? 'any' : method, route: route ?? 'none' }
      requests.observe({ ...labels, status: `${Math.floor(status / 100)}xx` }, durationMs / 1_000)
    },
    contentType: registry.contentType,
    exposition: () => registry.metrics(),
    registry,
  }
}
