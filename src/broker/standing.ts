// How the stream and its consumer stand, found out in the background: whoever asks waits for nothing.
//
// Invariant: what is handed out is what the broker said at most `STALE_AFTER_MS` ago; after a failed poll, or
// while one hangs, nothing is handed out.
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import type { BrokerPoll, BrokerStanding } from '../observation.ts'
import type { NatsConnection } from './connect.ts'

const INTERVAL_MS = 5_000
const LIMIT_MS = 4_000
const STALE_AFTER_MS = 3 * INTERVAL_MS

/** Polls until `signal` aborts; the returned function says what the last poll found. */
export function watchBroker(
  connection: NatsConnection,
  stream: string,
  consumer: string,
  signal: AbortSignal,
  intervalMs = INTERVAL_MS,
): () => BrokerPoll {
  let standing: BrokerStanding | null = null
  let lastSuccessMs: number | null = null
  const poll = async () => {
    while (!signal.aborted) {
      standing = await readStanding(connection, stream, consumer).catch(() => null)
      if (standing !== null) lastSuccessMs = Date.now()
      await sleep(intervalMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }
  void poll()
  return () => {
    const isFresh = lastSuccessMs !== null && Date.now() - lastSuccessMs <= STALE_AFTER_MS
    return { standing: isFresh ? standing : null, lastSuccessMs }
  }
}

/** Throws when the broker does not answer in time, or has no such stream or consumer. */
export async function readStanding(
  connection: NatsConnection,
  stream: string,
  consumer: string,
): Promise<BrokerStanding> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: LIMIT_MS })
  // The consumer first: what the stream takes meanwhile must not look like a position beyond its end.
  const at = await manager.consumers.info(stream, consumer)
  const { state, config } = await manager.streams.info(stream)
  return {
    pending: at.num_pending,
    ackPending: at.num_ack_pending,
    maxAckPending: limitOf(at.config.max_ack_pending),
    redelivered: at.num_redelivered,
    waitingPulls: at.num_waiting,
    deliveredSequence: at.delivered.stream_seq,
    ackFloorSequence: at.ack_floor.stream_seq,
    lastSequence: state.last_seq,
    streamMessages: state.messages,
    streamBytes: state.bytes,
    streamMaxBytes: limitOf(config.max_bytes),
  }
}

/** JetStream writes "no limit" as -1 or 0. */
function limitOf(value: number | undefined): number | null {
  return value === undefined || value <= 0 ? null : value
}
