// How things stand: gauges read at each scrape from what the background checks found last.
//
// Invariant: a figure that is not known is left out, never exported as 0 or as it was some time ago.
import { Gauge, type Registry } from 'prom-client'
import { dependencies, type BrokerPoll, type BrokerStanding } from './observation.ts'
import type { CheckState, Readiness } from './readiness.ts'

/** What of the broker's standing is exported; null: there is no such figure. */
const brokerGauges: readonly {
  readonly name: string
  readonly help: string
  readonly value: (standing: BrokerStanding) => number | null
}[] = [
  {
    name: 'cnc_monitor_consumer_pending_messages',
    help: 'Messages in the stream that were never delivered yet.',
    value: (at) => at.pending,
  },
  {
    name: 'cnc_monitor_consumer_ack_pending_messages',
    help: 'Messages delivered and not yet answered, over all monitors of the consumer.',
    value: (at) => at.ackPending,
  },
  {
    name: 'cnc_monitor_consumer_max_ack_pending_messages',
    help: 'Unanswered messages at which the server stops delivering; absent: no limit.',
    value: (at) => at.maxAckPending,
  },
  {
    name: 'cnc_monitor_consumer_redelivered_messages',
    help: 'Unanswered messages that were delivered more than once.',
    value: (at) => at.redelivered,
  },
  {
    name: 'cnc_monitor_consumer_waiting_pulls',
    help: 'Pull requests of all monitors that wait for messages; 0 while nobody asks for any.',
    value: (at) => at.waitingPulls,
  },
  {
    name: 'cnc_monitor_consumer_delivered_stream_sequence',
    help: "The consumer's position: stream sequence of the last message delivered.",
    value: (at) => at.deliveredSequence,
  },
  {
    name: 'cnc_monitor_consumer_ack_floor_stream_sequence',
    help: 'Stream sequence up to which every message is answered.',
    value: (at) => at.ackFloorSequence,
  },
  {
    name: 'cnc_monitor_consumer_distance_to_end_messages',
    help: "The stream's last sequence minus the consumer's position; below 0 the consumer waits for what will not come.",
    value: (at) => at.lastSequence - at.deliveredSequence,
  },
  {
    name: 'cnc_monitor_stream_last_sequence',
    help: 'Sequence of the last message the stream took.',
    value: (at) => at.lastSequence,
  },
  {
    name: 'cnc_monitor_stream_messages',
    help: 'Messages in the stream: those that are not answered yet.',
    value: (at) => at.streamMessages,
  },
  {
    name: 'cnc_monitor_stream_bytes',
    help: 'Bytes the stream holds.',
    value: (at) => at.streamBytes,
  },
  {
    name: 'cnc_monitor_stream_max_bytes',
    help: 'Bytes at which the stream refuses publishers; absent: no limit.',
    value: (at) => at.streamMaxBytes,
  },
]

interface StateSources {
  readonly readiness: () => Readiness
  readonly broker: () => BrokerPoll
  /** What the pipeline says; it cannot take from a broker that does not answer, though it may not know yet. */
  readonly isTaking: () => boolean
}

/** Declares them all in `registry`. */
export function stateMetrics(registry: Registry, { readiness, broker, isTaking }: StateSources): void {
  const declare = (name: string, help: string, value: () => number | null) =>
    declareGauge(registry, name, help, [], (set) => set({}, value()))
  const declareByDependency = (name: string, help: string, value: (check: CheckState) => number | null) =>
    declareGauge(registry, name, help, ['dependency'], (set) => {
      const { checks } = readiness()
      for (const dependency of dependencies) {
        const check = checks[dependency]
        set({ dependency }, check === undefined ? null : value(check))
      }
    })

  declare('cnc_monitor_ready', '1 when /readyz answers 200.', () => Number(readiness().ready))
  declare(
    'cnc_monitor_taking',
    '1 while messages are taken; 0 while that is interrupted or the broker does not answer.',
    () => Number(isTaking() && readiness().checks['broker']?.ok === true),
  )
  declareByDependency(
    'cnc_monitor_dependency_up',
    '1 when the server answered the last time it was asked, as /readyz says.',
    ({ ok }) => Number(ok),
  )
  declareByDependency(
    'cnc_monitor_dependency_last_success_timestamp_seconds',
    'When the server last answered; absent: not once since the start.',
    ({ last_success }) => (last_success === null ? null : Date.parse(last_success) / 1_000),
  )
  declare('cnc_monitor_broker_poll_success', '1 when the figures of stream and consumer are fresh.', () =>
    Number(broker().standing !== null),
  )
  declare(
    'cnc_monitor_broker_poll_last_success_timestamp_seconds',
    'When stream and consumer were last asked with success; absent: not once since the start.',
    () => {
      const { lastSuccessMs } = broker()
      return lastSuccessMs === null ? null : lastSuccessMs / 1_000
    },
  )
  for (const { name, help, value } of brokerGauges) {
    declare(name, help, () => {
      const { standing } = broker()
      return standing === null ? null : value(standing)
    })
  }
}

export type SetValue = (labels: Readonly<Record<string, string>>, value: number | null) => void

/** A gauge whose values are found out at each scrape; null leaves a series out. */
export function declareGauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  collect: (set: SetValue) => void,
): void {
  const gauge = new Gauge({
    name,
    help,
    labelNames,
    registers: [],
    collect: () =>
      collect((labels, value) => {
        if (value === null) gauge.remove(labels)
        else gauge.set(labels, value)
      }),
  })
  registry.registerMetric(gauge)
}
