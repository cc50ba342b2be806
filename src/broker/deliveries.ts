// The pull consumer as a Source: bursts of deliveries with back-pressure.
//
//   flowing --(connection lost, consumer gone or silent, stream made anew)--> broken: the iterator throws
//   flowing --(abort)--> draining --> ended: what was fetched and not handed out is given back
//
// Invariant: a delivery belongs to the incarnation of the stream under which it was taken. A consumer that was
// made anew counts from 1 again, so a consumer sequence that does not rise breaks the flow.
//
// The requests are made here and not by the client library's `consume`: its callback form asks for more
// whether or not anybody takes what came, and its iterator form costs a promise a message (docs/performance.md).
import {
  createInbox,
  type Msg,
  type QueuedIterator,
  type Status,
  type Subscription,
} from '@nats-io/transport-node'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Delivery, Source, StreamIncarnation } from '../pipeline-types.ts'
import { AckReply } from './ack-reply.ts'
import { answerTime, type AnswerTime } from './answer-time.ts'
import { Answers } from './answers.ts'
import type { NatsConnection } from './connect.ts'
import { JetStreamDelivery, type Flow } from './jetstream-delivery.ts'
import { type Amount, PullWindow } from './pull-window.ts'
import { SocketBuffers, subjectsOf } from './received-message.ts'

export interface DeliveriesOptions {
  readonly stream: string
  readonly consumer: string
  /** Fetched ahead of who takes it, at most. `bytes` must hold twice the largest message. */
  readonly prefetch: Amount
  /** How often the stream is told of what was held here the last time already, because nobody has taken it. */
  readonly workingEveryMs: number
  /** Declares stream and consumer where they are missing and says which incarnation it is. */
  readonly declare: () => Promise<StreamIncarnation>
}

const NANOS_PER_MS = 1_000_000
const REQUEST_EXPIRES_MS = 30_000
const HEARTBEAT_MS = 5_000
/** Two heartbeats and a half missing: the consumer is gone, or moved, and nobody said so. */
const SILENCE_LIMIT_MS = 12_500
const DRAIN_LIMIT_MS = 2_000
/** A server that went silent is given up by the client's pings much later. */
const FLUSH_LIMIT_MS = 5_000

export function deliveriesOf(connection: NatsConnection, options: DeliveriesOptions): Source {
  return {
    async *take(signal) {
      const incarnation = await options.declare()
      if (!signal.aborted) yield* new PullFlow(connection, options, incarnation).bursts(signal)
    },
    flush: async () => {
      if (!connection.isClosed()) await within(FLUSH_LIMIT_MS, connection.flush())
    },
  }
}

class PullFlow {
  readonly #connection: NatsConnection
  readonly #request: string
  readonly #inbox = createInbox()
  readonly #window: PullWindow
  readonly #workingEveryMs: number
  readonly #reply = new AckReply()
  readonly #consumer: string
  readonly #time: AnswerTime
  readonly #flow: Flow
  #arrived: JetStreamDelivery[] = []
  #arrivedBefore: readonly JetStreamDelivery[] = []
  #lastConsumerSequence = 0
  #heardAtMs = performance.now()
  #broken: Error | null = null
  #wake: (() => void) | null = null

  constructor(connection: NatsConnection, options: DeliveriesOptions, incarnation: StreamIncarnation) {
    this.#connection = connection
    this.#consumer = options.consumer
    this.#request = `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`
    this.#window = new PullWindow(options.prefetch)
    this.#workingEveryMs = options.workingEveryMs
    this.#time = answerTime(connection)
    this.#flow = { incarnation, answers: new Answers(connection, this.#time), buffers: new SocketBuffers() }
  }

  async *bursts(signal: AbortSignal): AsyncGenerator<readonly Delivery[], void, undefined> {
    const subscription = this.#connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error) this.#break(error)
        else this.#take(message)
      },
    })
    const statuses = this.#connection.status() as QueuedIterator<Status>
    void this.#followConnection(statuses)
    const watching = setInterval(() => this.#watchSilence(), HEARTBEAT_MS)
    const reminding = setInterval(() => this.#remind(), this.#workingEveryMs)
    const wake = () => this.#wake?.()
    signal.addEventListener('abort', wake)
    try {
      this.#ask()
      while (!signal.aborted) {
        if (this.#arrived.length > 0) {
          const burst = this.#arrived
          this.#arrived = []
          // Before the yield: what arrives while the burst is worked on is held again.
          this.#window.handedOut()
          yield burst
          this.#ask()
        } else if (this.#broken !== null) {
          throw this.#broken
        } else {
          await new Promise<void>((resolve) => (this.#wake = resolve))
        }
      }
    } finally {
      signal.removeEventListener('abort', wake)
      clearInterval(watching)
      clearInterval(reminding)
      statuses.stop()
      await this.#drain(subscription)
    }
  }

  /** Asks for as much as is free; without a connection there is nobody to ask, and the flow is about to break. */
  #ask(): void {
    if (this.#connection.isClosed()) return
    // While nothing was owed there was nothing to hear.
    if (!this.#window.isWaiting) this.#heardAtMs = performance.now()
    for (let amount = this.#window.next(); amount !== null; amount = this.#window.next()) {
      const request = {
        batch: amount.messages,
        max_bytes: amount.bytes,
        expires: REQUEST_EXPIRES_MS * NANOS_PER_MS,
        idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS,
      }
      this.#connection.publish(this.#request, JSON.stringify(request), { reply: this.#inbox })
    }
  }

  #take(message: Msg): void {
    this.#heardAtMs = performance.now()
    if (this.#time.isOver()) return this.#break(new Error('the connection has come to another server'))
    const { subject, reply } = subjectsOf(message)
    if (reply === undefined || reply.length === 0) {
      this.#status(message)
      this.#ask()
    } else {
      this.#deliver(message, subject, reply)
    }
    if (this.#arrived.length > 0 || this.#broken !== null) this.#wake?.()
  }

  #deliver(message: Msg, subject: Uint8Array, reply: Uint8Array): void {
    const said = this.#reply
    try {
      said.read(reply)
    } catch (error) {
      return this.#break(error as Error)
    }
    if (said.consumerSequence <= this.#lastConsumerSequence) {
      // Not answered here: it belongs to another incarnation, and comes back to the flow that knows it.
      return this.#break(new Error(`the consumer ${this.#consumer} was made anew`))
    }
    this.#lastConsumerSequence = said.consumerSequence
    const delivery = new JetStreamDelivery(message, subject, reply, said, this.#flow)
    this.#window.arrived(delivery.size + reply.length)
    this.#arrived.push(delivery)
  }

  /** A message without a reply subject speaks of a request (ADR-13 and ADR-37). */
  #status(message: Msg): void {
    const { code = 0, description = '' } = message.headers ?? {}
    const left = (name: string) => Number(message.headers?.get(name) ?? 0)
    if (code === 100) return // a heartbeat
    // Newer servers say so of a request that has brought all its messages; the last one has told as much.
    if (code === 409 && /batch completed/i.test(description)) return
    if (code === 408 || code === 404 || (code === 409 && /message size exceeds/i.test(description))) {
      this.#window.ended({ messages: left('Nats-Pending-Messages'), bytes: left('Nats-Pending-Bytes') })
    } else if (code === 503) {
      this.#break(new Error('JetStream does not answer'))
    } else {
      this.#break(new Error(`the consumer ${this.#consumer} ended the flow: ${description || code}`))
    }
  }

  #break(error: Error): void {
    this.#broken ??= error
    this.#time.end()
    this.#wake?.()
  }

  #remind(): void {
    if (this.#arrivedBefore === this.#arrived) for (const delivery of this.#arrived) delivery.working()
    this.#arrivedBefore = this.#arrived
  }

  #watchSilence(): void {
    const silentMs = performance.now() - this.#heardAtMs
    if (this.#window.isWaiting && silentMs > SILENCE_LIMIT_MS) {
      this.#break(new Error(`the consumer ${this.#consumer} was silent for ${Math.round(silentMs / 1000)} s`))
    }
  }

  /** A server that restarts has forgotten the requests. */
  async #followConnection(statuses: QueuedIterator<Status>): Promise<void> {
    for await (const { type } of statuses) {
      if (type === 'disconnect' || type === 'close') this.#break(new Error('the connection to NATS was lost'))
    }
  }

  /** Ends the requests, waits for what was on its way, and gives back all that nobody took. */
  async #drain(subscription: Subscription): Promise<void> {
    await within(
      DRAIN_LIMIT_MS,
      subscription.drain().catch(() => undefined),
    )
    if (!subscription.isClosed()) subscription.unsubscribe()
    for (const delivery of this.#arrived) delivery.nak(0)
  }
}

/** Waits for it no longer than this. */
async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  const limit = new AbortController()
  try {
    await Promise.race([work, sleep(limitMs, undefined, { signal: limit.signal })])
  } finally {
    limit.abort()
  }
}
