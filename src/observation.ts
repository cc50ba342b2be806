// What the program says about itself: the contracts between the stages and whoever watches them (log, metrics).
//
// Every label a metric carries is one of the lists below, so that the number of series stays bounded whatever
// the machines send.
import type { MessageBatch, WriteOutcome } from './pipeline-types.ts'

/** Why a batch was closed. rest: the flow ended, and what was in hand went out as it was. */
export const cutReasons = ['messages', 'readings', 'bytes', 'age', 'rest'] as const
export type CutReason = (typeof cutReasons)[number]

/**
 * What kept the store from taking a batch; the class of its SQLSTATE in one word. schema, authorization, refusal
 * and mistake (an exception of this program) stop the monitor, all others pass by themselves.
 */
export const storeFailures = [
  'connection',
  'timeout',
  'conflict',
  'lock',
  'resources',
  'shutdown',
  'system',
  'schema',
  'authorization',
  'refusal',
  'limit',
  'internal',
  'mistake',
  'other',
] as const
export type StoreFailure = (typeof storeFailures)[number]

/** Whom the monitor depends on; readiness uses the same names. */
export const dependencies = ['database', 'broker'] as const
export type Dependency = (typeof dependencies)[number]

/** What is told of a batch when it is closed. */
export interface Cut {
  readonly reason: CutReason
  /** How long its first message had waited for it to fill. */
  readonly waitedMs: number
}

/**
 * Told what the pipeline does; must not throw (that would end the pipeline), and is called a few times a batch, never once a message. Of each
 * batch first `cut` is called, then one of `committed`, `failed` or `givenBack`.
 */
export interface PipelineObserver {
  /** A batch is closed. */
  cut(batch: MessageBatch, cut: Cut): void
  /** It is committed and answered. `commitMs`: how long the sink took. */
  committed(batch: MessageBatch, outcome: WriteOutcome & { kind: 'committed' }, commitMs: number): void
  /** The sink did not take it: nothing of it is stored, and it is given back. */
  failed(batch: MessageBatch, outcome: WriteOutcome & { kind: 'retry' | 'fatal' }, commitMs: number): void
  /** It is given back without being tried, because another one failed. */
  givenBack(batch: MessageBatch): void
  /** Taking has stopped because of `by`; it goes on by itself. */
  interrupted(reason: string, by: Dependency): void
  resumed(): void
}

/** Tells several observers, in order. */
export function observers(...all: readonly Partial<PipelineObserver>[]): PipelineObserver {
  return {
    cut: (batch, cut) => all.forEach((one) => one.cut?.(batch, cut)),
    committed: (batch, outcome, ms) => all.forEach((one) => one.committed?.(batch, outcome, ms)),
    failed: (batch, outcome, ms) => all.forEach((one) => one.failed?.(batch, outcome, ms)),
    givenBack: (batch) => all.forEach((one) => one.givenBack?.(batch)),
    interrupted: (reason, by) => all.forEach((one) => one.interrupted?.(reason, by)),
    resumed: () => all.forEach((one) => one.resumed?.()),
  }
}

/** How the stream and its consumer stood at one moment. */
export interface BrokerStanding {
  /** Messages that were never delivered yet. */
  readonly pending: number
  /** Messages delivered and not yet answered, over all monitors. */
  readonly ackPending: number
  /** What `ackPending` may reach; null: no limit. */
  readonly maxAckPending: number | null
  /** Unanswered messages that were delivered more than once. */
  readonly redelivered: number
  /** Pull requests of the monitors that wait for messages. */
  readonly waitingPulls: number
  /** The consumer's position: sequence of the last message delivered; 0 before the first. */
  readonly deliveredSequence: number
  /** Every message up to this sequence is answered. */
  readonly ackFloorSequence: number
  /** Sequence of the last message the stream took; 0 before the first. */
  readonly lastSequence: number
  readonly streamMessages: number
  readonly streamBytes: number
  /** Null: no limit. */
  readonly streamMaxBytes: number | null
}

/** What is known of the broker now, without asking it. */
export interface BrokerPoll {
  /** Null when the last poll failed or lies too far back: an old figure is never passed off as a fresh one. */
  readonly standing: BrokerStanding | null
  /** When a poll last succeeded, in milliseconds since 1970; null: not once yet. */
  readonly lastSuccessMs: number | null
}

/** How the aggregates by minute and hour stand.  Times are RFC 3339 in UTC; null: not once yet. */
export interface AggregateRefresh {
  /** Both aggregates hold every reading before it, but for the late ones that wait. */
  readonly refreshedUntil: string
  /** Hours of late readings that wait to be refreshed. */
  readonly lateWindows: number
  readonly lastRun: string | null
  readonly lastSuccess: string | null
  readonly lastFailure: string | null
  readonly lastFailureReason: string | null
}
