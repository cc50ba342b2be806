// The way of a reading, joined: broker, decoder, pipeline, store. Part of the composition root; the measurements in
// bench/ run exactly this.
import { consumerWatch, watchConsumer } from './broker/consumer-position.ts'
import type { NatsConnection } from './broker/connect.ts'
import { deliveriesOf } from './broker/deliveries.ts'
import { declareStream } from './broker/stream.ts'
import type { Config } from './config.ts'
import { messageDecoder } from './decode/message-decoder.ts'
import { runPipeline } from './ingest/pipeline.ts'
import { waitFor, type WaitOptions } from './lifecycle.ts'
import type { PipelineObserver } from './observation.ts'
import type { Store } from './store/open-store.ts'
import { sinkWithReplays } from './store/replayed-messages.ts'
import { timescaleSink } from './store/sink.ts'

const DAY_MS = 86_400_000

export interface IngestionOptions {
  readonly config: Config
  readonly nats: NatsConnection
  readonly store: Store
  readonly observer: PipelineObserver
  /** For the first declaration of the stream. */
  readonly wait: WaitOptions
  readonly warn: (sentence: string) => void
}

/** What stream and consumer are declared with; the numbers follow from each other (docs/operations.md). */
export function streamSettings({ nats, database, ingest }: Config) {
  return {
    stream: nats.stream,
    consumer: nats.consumer,
    maxBytes: nats.streamMaxBytes,
    ackWaitMs: ingest.batchAgeMs + database.statementTimeoutMs + 5_000,
    maxAckPending:
      ingest.monitors * (ingest.batchesInFlight * ingest.batchMessages + ingest.prefetchMessages),
  }
}

/**
 * Takes, stores and answers until the wait's signal aborts. Resolves, once stream and consumer are there, to the
 * run itself: it ends when what was in hand is settled, and fails when going on would not help.
 */
export async function startIngestion(options: IngestionOptions): Promise<{ readonly run: Promise<void> }> {
  const { config, nats, store, observer, wait, warn } = options
  const { ingest, limits, retention } = config
  const settings = streamSettings(config)
  const watch = consumerWatch(nats, settings, warn)
  const declare = async () => {
    const incarnation = await declareStream(nats, settings, warn)
    await watch.check()
    return incarnation
  }
  await waitFor(`the stream ${settings.stream}`, declare, wait)
  void watchConsumer(watch, wait.signal)
  const prefetch = {
    messages: ingest.prefetchMessages,
    // A request must have room for the largest message the stream can hold.
    bytes: Math.max(ingest.prefetchBytes, 4 * limits.payloadBytes),
  }
  const { stream, consumer } = settings
  const run = runPipeline(
    {
      source: deliveriesOf(nats, { stream, consumer, prefetch, declare }),
      sink: sinkWithReplays(
        store.ingest,
        timescaleSink({ pool: store.ingest, ready: store.ready, copies: store.copies }),
      ),
      decode: messageDecoder({
        maxPayloadBytes: limits.payloadBytes,
        maxReadings: limits.readings,
        maxFutureMs: limits.futureMs,
        maxAgeMs: retention.rawDays === 0 ? null : retention.rawDays * DAY_MS,
        maxRejections: limits.deadLettersPerMessage,
      }),
      limits: {
        messages: ingest.batchMessages,
        readings: ingest.batchReadings,
        bytes: ingest.batchBytes,
        ageMs: ingest.batchAgeMs,
      },
      batchesInFlight: ingest.batchesInFlight,
      workingEveryMs: settings.ackWaitMs / 3,
      observer,
    },
    wait.signal,
  )
  return { run }
}
