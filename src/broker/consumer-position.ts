// Where the consumer stands against its stream, and mending it where it stands wrong.
//
// A stream may come back older than its consumer: after a power cut, or restored from a copy. The consumer
// then waits silently for ever, or until the stream has grown past its position, and what the stream holds
// below that is never delivered (nats-server's issue 5412). It is made anew, at the beginning of the stream.
// In a work queue that is where unanswered work begins; what is delivered again and stored already is found
// by its identity. What another monitor holds meanwhile stays good: its answers name the sequence.
//
// A server that has failed to write to its stream (2.15, after a full disk) looks the same: it takes answers and keeps
// the messages. Making the consumer anew does not help there, only starting the server again does; so it is done in
// growing pauses, and said.
import {
  DeliverPolicy,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from './connect.ts'
import { RemedyPause } from './remedy-pause.ts'

const CHECK_EVERY_MS = 5_000
/** Made anew so often for the same message: the server is to blame. */
const STUCK_FROM = 2
/** An answer takes less than this from the consumer to the stream. */
const SEEN_TWICE_AFTER_MS = 2_000
const CONSUMER_NOT_FOUND = 10_014

/** Consumer and stream, the consumer looked at first: the stream only grows from then on. */
export interface Standing {
  readonly consumer: ConsumerInfo
  readonly stream: StreamInfo
}

/** A sentence that says what is wrong; null when nothing is. */
export function wrongPosition({ consumer, stream }: Standing): string | null {
  const position = consumer.delivered.stream_seq
  const end = stream.state.last_seq
  return position > end
    ? `its position ${position} lies beyond the end of the stream, ${end}: the stream is older than the consumer`
    : null
}

/**
 * The first message of the stream when the consumer takes it for answered; 0 when there is none. An answered
 * message leaves a work queue, but a moment after the answer: what stays is seen twice.
 */
export function passedOver({ consumer, stream }: Standing): number {
  const { messages, first_seq: first } = stream.state
  const isQueue = stream.config.retention === RetentionPolicy.Workqueue
  return isQueue && messages > 0 && first <= consumer.ack_floor.stream_seq ? first : 0
}

export interface ConsumerWatch {
  /** Looks once and mends what is wrong, unless that was in vain just now; resolves to whether it made the consumer anew. */
  check(): Promise<boolean>
  /** A sentence while making the consumer anew does not help: no message leaves the stream, and none is taken. */
  readonly stuck: () => string | null
}

/** Remembers from one look to the next what seemed to be passed over, and what was done about it. */
export function consumerWatch(
  connection: NatsConnection,
  names: { readonly stream: string; readonly consumer: string },
  warn: (sentence: string) => void,
): ConsumerWatch {
  let suspect = { first: 0, sinceMs: 0 }
  const remedy = new RemedyPause()
  let stuck: string | null = null
  return {
    stuck: () => stuck,

    async check() {
      const manager = await jetstreamManager(connection, { checkAPI: false })
      const consumer = await manager.consumers.info(names.stream, names.consumer)
      const standing = { consumer, stream: await manager.streams.info(names.stream) }
      const first = passedOver(standing)
      const wrong =
        wrongPosition(standing) ??
        (first > 0 && first === suspect.first && performance.now() - suspect.sinceMs > SEEN_TWICE_AFTER_MS
          ? `it has passed over message ${first}, which the stream still holds: the stream is older than the consumer`
          : null)
      if (first !== suspect.first) suspect = { first, sinceMs: performance.now() }
      const { created, state } = standing.stream
      remedy.see(`${connection.info?.server_id} ${created} ${state.first_seq}`)
      if (remedy.times === 0) stuck = null
      if (wrong === null || !remedy.isDue(performance.now())) return false
      remedy.tried(performance.now())
      if (remedy.times < STUCK_FROM) {
        warn(`The consumer ${names.consumer} cannot go on: ${wrong}. It is made anew.`)
      } else {
        stuck =
          `nats-server keeps message ${state.first_seq} in the stream ${names.stream} although it was answered: it ` +
          `cannot write to the stream any more (was its disk full?), and publishers get no acknowledgement`
        const next = `The consumer ${names.consumer} is made anew all the same, and again in ${remedy.pauseMs / 1000} s.`
        warn(`Restart nats-server, once there is room on its disk: ${stuck}. ${next}`)
      }
      await makeAnew(manager, consumer)
      return true
    },
  }
}

/** Checks every few seconds until `signal` aborts. While the server is away the flow of messages says so. */
export async function watchConsumer(watch: ConsumerWatch, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await watch.check().catch(() => undefined)
    await sleep(CHECK_EVERY_MS, undefined, { signal }).catch(() => undefined)
  }
}

/** With its own settings, which somebody may have chosen. Another monitor may do the same at the same time. */
async function makeAnew(manager: JetStreamManager, old: ConsumerInfo): Promise<void> {
  try {
    const now = await manager.consumers.info(old.stream_name, old.name)
    if (now.created !== old.created) return
    await manager.consumers.delete(old.stream_name, old.name)
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_NOT_FOUND) throw error
  }
  const { opt_start_seq: _sequence, opt_start_time: _time, ...config } = old.config
  await manager.consumers.add(old.stream_name, { ...config, deliver_policy: DeliverPolicy.All })
}
