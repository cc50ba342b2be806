// The metrics of the pipeline, declared. Their names, kinds, bounds and meaning are here and nowhere else.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { cutReasons, dependencies, storeFailures } from './observation.ts'
import { rejectionCodes } from './reading.ts'

/**
 * stored: every reading is in the table; partly_refused: some are, the others are dead letters; refused: none
 * is; given_back: nothing is committed, the message comes again.
 */
export const messageOutcomes = ['stored', 'partly_refused', 'refused', 'given_back'] as const
export type MessageOutcome = (typeof messageOutcomes)[number]

/** Declares them all in `registry`. */
export function pipelineInstruments(registry: Registry) {
  const registers = [registry]
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  const counterBy = (name: string, help: string, label: string, values: readonly string[]) => {
    const counter = new Counter({ name, help, labelNames: [label], registers })
    for (const value of values) counter.inc({ [label]: value }, 0)
    return counter
  }
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers })
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name, help, buckets, registers })

  return {
    readingsStored: counter(
      'cnc_monitor_readings_stored_total',
      'Readings that became a row of sensor_data.',
    ),
    readingsAlreadyStored: counter(
      'cnc_monitor_readings_already_stored_total',
      'Readings of messages delivered again that were in the table already and were not stored a second time.',
    ),
    readingsRefused: counter(
      'cnc_monitor_readings_refused_total',
      'Readings refused, also those beyond the dead letters that are kept of one message.',
    ),
    messages: counterBy(
      'cnc_monitor_messages_total',
      'Deliveries answered, by outcome; a message that is delivered again counts again.',
      'outcome',
      messageOutcomes,
    ),
    messagesRedelivered: counter(
      'cnc_monitor_messages_redelivered_total',
      'Deliveries taken that were not the first one of their message.',
    ),
    deadLetters: counterBy(
      'cnc_monitor_dead_letters_total',
      'Dead letters committed, by reason; those of a message that is delivered again count again.',
      'reason',
      rejectionCodes,
    ),
    cuts: counterBy(
      'cnc_monitor_batches_cut_total',
      'Batches closed, by the limit that was reached first; rest: the flow ended.',
      'reason',
      cutReasons,
    ),
    failures: counterBy(
      'cnc_monitor_batch_failures_total',
      'Batches the database did not take, by what kept it from it; they are given back and tried again.',
      'failure',
      storeFailures,
    ),
    interruptions: counterBy(
      'cnc_monitor_interruptions_total',
      'Times that taking messages was interrupted, by the server that was the cause.',
      'dependency',
      dependencies,
    ),
    batchesInFlight: gauge('cnc_monitor_batches_in_flight', 'Batches being written now.'),
    batchMessages: histogram(
      'cnc_monitor_batch_messages',
      'Messages in a batch.',
      [1, 4, 16, 64, 256, 1_024, 2_048, 4_096, 8_192, 16_384],
    ),
    batchReadings: histogram(
      'cnc_monitor_batch_readings',
      'Accepted readings in a batch.',
      [1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000],
    ),
    batchBytes: histogram(
      'cnc_monitor_batch_payload_bytes',
      'Payload of the messages in a batch.',
      [10, 12, 14, 16, 18, 20, 21, 22, 23, 24, 26].map((power) => 2 ** power),
    ),
    batchAge: histogram(
      'cnc_monitor_batch_age_seconds',
      'Age of a batch when it was closed: how long its first message waited for it to fill.',
      [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 1, 5],
    ),
    commitDuration: histogram(
      'cnc_monitor_commit_duration_seconds',
      'Time from handing a batch to the database until it was committed.',
      [0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    ),
    receiptToCommit: histogram(
      'cnc_monitor_receipt_to_commit_seconds',
      "Time from the stream's receipt of the oldest message in a batch until its commit, by two machines' clocks.",
      [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 600, 3_600],
    ),
  }
}
