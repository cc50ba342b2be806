// What the pipeline did, counted once a batch: at 100,000 messages a second a counter touched once a message
// would cost more than it tells.
import type { Registry } from 'prom-client'
import type { PipelineObserver } from './observation.ts'
import { pipelineInstruments, type MessageOutcome } from './pipeline-instruments.ts'
import type { MessageInBatch, WriteOutcome } from './pipeline-types.ts'
import type { RejectionCode } from './reading.ts'

export interface PipelineMetrics {
  readonly observer: PipelineObserver
  /** False from an interruption until the pipeline goes on. */
  readonly isTaking: () => boolean
}

/** Declares the pipeline's metrics; the observer feeds them. */
export function pipelineMetrics(registry: Registry): PipelineMetrics {
  const to = pipelineInstruments(registry)
  let isTaking = true

  const observer: PipelineObserver = {
    cut({ messages }, { reason, waitedMs }) {
      const { readings, bytes, again } = sizeOf(messages)
      to.batchesInFlight.inc()
      to.cuts.inc({ reason })
      to.batchAge.observe(waitedMs / 1_000)
      to.batchMessages.observe(messages.length)
      to.batchReadings.observe(readings)
      to.batchBytes.observe(bytes)
      to.messagesRedelivered.inc(again)
    },
    committed({ messages }, outcome, commitMs) {
      const { accepted, refused, byOutcome, byReason } = tallyOf(messages, outcome)
      to.batchesInFlight.dec()
      to.commitDuration.observe(commitMs / 1_000)
      to.receiptToCommit.observe(Math.max(0, Date.now() - oldestReceiptMs(messages)) / 1_000)
      to.readingsStored.inc(outcome.stored)
      to.readingsAlreadyStored.inc(Math.max(0, accepted - outcome.stored))
      to.readingsRefused.inc(refused)
      for (const [outcome, count] of Object.entries(byOutcome)) to.messages.inc({ outcome }, count)
      for (const [reason, count] of byReason) to.deadLetters.inc({ reason }, count)
    },
    failed({ messages }, { failure }) {
      to.batchesInFlight.dec()
      to.failures.inc({ failure })
      to.messages.inc({ outcome: 'given_back' }, messages.length)
    },
    givenBack({ messages }) {
      to.batchesInFlight.dec()
      to.messages.inc({ outcome: 'given_back' }, messages.length)
    },
    interrupted(_reason, dependency) {
      isTaking = false
      to.interruptions.inc({ dependency })
    },
    resumed() {
      isTaking = true
    },
  }
  return { observer, isTaking: () => isTaking }
}

function sizeOf(messages: readonly MessageInBatch[]) {
  let readings = 0
  let bytes = 0
  let again = 0
  for (const message of messages) {
    readings += message.readingCount
    bytes += message.delivery.size
    if (message.delivery.deliveryCount > 1) again++
  }
  return { readings, bytes, again }
}

function oldestReceiptMs(messages: readonly MessageInBatch[]): number {
  return messages.reduce((oldest, { delivery }) => Math.min(oldest, delivery.receivedAtMs), Infinity)
}

function tallyOf(messages: readonly MessageInBatch[], outcome: WriteOutcome & { kind: 'committed' }) {
  const byOutcome: Record<MessageOutcome, number> = {
    stored: 0,
    partly_refused: 0,
    refused: 0,
    given_back: outcome.postponed.size,
  }
  const byReason = new Map<RejectionCode, number>()
  let accepted = 0
  let refused = 0
  for (const message of messages) {
    if (outcome.postponed.has(message)) continue
    const byDatabase = outcome.refused.get(message)
    const rows = message.readingCount - (byDatabase?.positions.size ?? 0)
    const rejections = [...message.rejections, ...(byDatabase?.rejections ?? [])]
    accepted += rows
    if (rejections.length === 0) {
      byOutcome.stored += 1
      continue
    }
    byOutcome[rows > 0 ? 'partly_refused' : 'refused'] += 1
    for (const { code, more } of rejections) {
      byReason.set(code, (byReason.get(code) ?? 0) + 1)
      refused += 1 + more
    }
  }
  return { accepted, refused, byOutcome, byReason }
}
