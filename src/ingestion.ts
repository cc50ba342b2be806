// The way of a reading, joined: broker, decoder, pipeline, store. Part of the composition root; the measurements in
// bench/ run exactly this.
import { consumerWatch, watchConsumer } from './broker/consumer-position.ts'
import type { NatsConnection } from './broker/connect.ts'
import { deliveriesOf } from './broker/deliveries.ts'
import { declareStream } from './broker/stream.ts'
import type { Config } from './config.ts'
import type { DecodeLimits } from './decode/decode-message.ts'
import { messageDecoder } from './decode/message-decoder.ts'
import { runPipeline } from './ingest/pipeline.ts'
import { waitFor, type WaitOptions } from './lifecycle.ts'
import type { PipelineObserver } from './observation.ts'
import type { StreamIncarnation } from './pipeline-types.ts'
import type { Store } from './store/open-store.ts'
import { sinkWithReplays } from './store/replayed-messages.ts'
import { timescaleSink } from './store/sink.ts'

const DAY_MS = 86_400_000

export interface IngestionOptions {
  readonly config: Config
  readonly nats: NatsConnection
  readonly store: Store
  readonly observer: PipelineObserver
  /** Told of every exception in reading and writing that is this program's own mistake. */
  readonly onMistake: (mistake: unknown) => void
  /** As `openStream` gave it. */
  readonly stream: Pick<OpenStream, 'declare'>
  readonly signal: AbortSignal
}

export interface OpenStream {
  /** Declares stream and consumer where they are missing, and says which incarnation of the stream it is. */
  declare(): Promise<StreamIncarnation>
  /** A sentence while the stream takes no message and lets none go, although its server answers. */
  readonly stuck: () => string | null
}

/** What stream and consumer are declared with; the numbers follow from each other (docs/operations.md). */
export function streamSettings({ nats, database, ingest }: Config) {
  return {
    stream: nats.stream,
    consumer: nats.consumer,
    maxBytes: nats.streamMaxBytes,
    ackWaitMs: ingest.batchAgeMs + database.statementTimeoutMs + 5_000,
    maxAckPending: ingest.monitors * unansweredAtMost(ingest),
  }
}

/**
 * Messages that one monitor may hold: batches in flight and the open one; a burst of the whole window that waits for
 * them; and the window once more, for what was handed out no longer counts in it, and a request that expires
 * meanwhile is made anew.
 */
export function unansweredAtMost({
  batchesInFlight,
  batchMessages,
  prefetchMessages,
}: Pick<Config['ingest'], 'batchesInFlight' | 'batchMessages' | 'prefetchMessages'>): number {
  return (batchesInFlight + 1) * batchMessages + 2 * prefetchMessages
}

/** What a reading is held against. */
export function decodeLimits({ limits, retention }: Config): DecodeLimits {
  return {
    maxPayloadBytes: limits.payloadBytes,
    maxReadings: limits.readings,
    maxFutureMs: limits.futureMs,
    maxAgeMs: retention.rawDays === 0 ? null : retention.rawDays * DAY_MS,
    maxRejections: limits.deadLettersPerMessage,
  }
}

/** Waits until stream and consumer are there, and watches over the consumer from then on. */
export async function openStream(
  config: Config,
  nats: NatsConnection,
  wait: WaitOptions,
  warn: (sentence: string) => void,
): Promise<OpenStream> {
  const settings = streamSettings(config)
  const watch = consumerWatch(nats, settings, warn)
  const declare = async () => {
    const incarnation = await declareStream(nats, settings, warn)
    await watch.check()
    return incarnation
  }
  await waitFor(`the stream ${settings.stream}`, declare, wait)
  void watchConsumer(watch, wait.signal)
  return { declare, stuck: () => watch.stuck() }
}

/**
 * Takes, stores and answers until `signal` aborts; resolves when what was in hand is settled. Throws when going on
 * would not help.
 */
export function runIngestion(options: IngestionOptions): Promise<void> {
  const { config, nats, store, observer, onMistake, stream: opened, signal } = options
  const { ingest, limits } = config
  const { stream, consumer, ackWaitMs } = streamSettings(config)
  const prefetch = {
    messages: ingest.prefetchMessages,
    // Half of it must have room for the largest message that the server takes, also one that is refused here.
    bytes: Math.max(ingest.prefetchBytes, 4 * Math.max(limits.payloadBytes, nats.info?.max_payload ?? 0)),
  }
  // A message is in three places at most, and goes unmentioned in each for less than two ticks.
  const workingEveryMs = ackWaitMs / 8
  const { ingest: pool, ready, copies, late } = store
  const maxDeadLetters = limits.deadLettersPerMessage
  const sink = timescaleSink({ pool, ready, copies, late, maxDeadLetters, onMistake })
  return runPipeline(
    {
      source: deliveriesOf(nats, { stream, consumer, prefetch, workingEveryMs, declare: opened.declare }),
      sink: sinkWithReplays({ pool, ready, sink, late, onMistake }),
      decode: messageDecoder(decodeLimits(config), onMistake),
      limits: {
        messages: ingest.batchMessages,
        readings: ingest.batchReadings,
        bytes: ingest.batchBytes,
        ageMs: ingest.batchAgeMs,
      },
      batchesInFlight: ingest.batchesInFlight,
      workingEveryMs,
      observer,
    },
    signal,
  )
}
