// The pull consumer as a Source: an iterable of deliveries with back-pressure.
//
// Invariant: a delivery belongs to the incarnation of the stream under which it was taken. The client goes on
// silently when a consumer was deleted and made anew, so a consumer sequence that does not rise ends the flow.
import { jetstream, type JsMsg } from '@nats-io/jetstream'
import type { Delivery, Source, StreamIncarnation } from '../pipeline-types.ts'
import { REPLAY_HEADER, replayOriginIn, type ReplayOrigin } from '../replay-origin.ts'
import type { NatsConnection } from './connect.ts'

export interface DeliveriesOptions {
  readonly stream: string
  readonly consumer: string
  readonly prefetchMessages: number
  /** Declares stream and consumer where they are missing and says which incarnation it is. */
  readonly declare: () => Promise<StreamIncarnation>
}

export function deliveriesOf(connection: NatsConnection, options: DeliveriesOptions): Source {
  return {
    take: (signal) => take(connection, options, signal),
    flush: async () => {
      if (!connection.isClosed()) await connection.flush()
    },
  }
}

async function* take(
  connection: NatsConnection,
  options: DeliveriesOptions,
  signal: AbortSignal,
): AsyncGenerator<Delivery, void, undefined> {
  const incarnation = await options.declare()
  const consumer = await jetstream(connection).consumers.get(options.stream, options.consumer)
  if (signal.aborted) return
  const messages = await consumer.consume({
    max_messages: options.prefetchMessages,
    idle_heartbeat: 5_000,
    expires: 30_000,
    abort_on_missing_resource: true,
  })
  const stop = () => messages.stop()
  signal.addEventListener('abort', stop, { once: true })
  let lastConsumerSequence = 0
  try {
    for await (const message of messages) {
      if (signal.aborted) {
        message.nak()
        continue
      }
      const info = message.info
      if (info.deliverySequence <= lastConsumerSequence) {
        throw new Error(`the consumer ${options.consumer} was made anew`)
      }
      lastConsumerSequence = info.deliverySequence
      yield new JetStreamDelivery(message, incarnation)
    }
  } finally {
    signal.removeEventListener('abort', stop)
    messages.stop()
  }
}

/** One object a message: the client's own message answers at most once, whatever is called. */
class JetStreamDelivery implements Delivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly incarnation: StreamIncarnation
  readonly sequence: number
  readonly receivedAtMs: number
  readonly deliveryCount: number
  readonly replayOf: ReplayOrigin | null
  readonly #message: JsMsg

  constructor(message: JsMsg, incarnation: StreamIncarnation) {
    const info = message.info
    this.subject = message.subject
    this.data = message.data
    this.incarnation = incarnation
    this.sequence = info.streamSequence
    this.receivedAtMs = info.timestampNanos / 1e6
    this.deliveryCount = info.deliveryCount
    const headers = message.headers
    this.replayOf = headers === undefined ? null : replayOriginIn(headers.get(REPLAY_HEADER))
    this.#message = message
  }

  ack(): void {
    this.#message.ack()
  }

  term(): void {
    this.#message.term()
  }

  nak(delayMs: number): void {
    this.#message.nak(Math.round(delayMs))
  }

  working(): void {
    this.#message.working()
  }
}
