// One message off the consumer, and the only means to answer it.
import type { Msg } from '@nats-io/transport-node'
import type { Delivery, StreamIncarnation } from '../pipeline-types.ts'
import { REPLAY_HEADER, replayOriginIn, type ReplayOrigin } from '../replay-origin.ts'
import type { AckReply } from './ack-reply.ts'
import type { Answers } from './answers.ts'

/** Keeps nothing of the client's message but what is read here: it lives until its batch is committed. */
export class JetStreamDelivery implements Delivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly incarnation: StreamIncarnation
  readonly sequence: number
  readonly receivedAtMs: number
  readonly deliveryCount: number
  readonly replayOf: ReplayOrigin | null
  readonly #reply: string
  readonly #answers: Answers
  #isAnswered = false

  /** `said`: what was read off `reply`; it is not kept. */
  constructor(message: Msg, reply: string, said: AckReply, incarnation: StreamIncarnation, answers: Answers) {
    this.subject = message.subject
    this.data = message.data
    this.incarnation = incarnation
    this.sequence = said.streamSequence
    this.receivedAtMs = said.receivedAtMs
    this.deliveryCount = said.deliveries
    // Absent headers cost nothing; they are read only where there are some.
    const headers = message.headers
    this.replayOf = headers === undefined ? null : replayOriginIn(headers.get(REPLAY_HEADER))
    this.#reply = reply
    this.#answers = answers
  }

  ack(): void {
    if (this.#isFirst()) this.#answers.ack(this.#reply)
  }

  term(): void {
    if (this.#isFirst()) this.#answers.term(this.#reply)
  }

  nak(delayMs: number): void {
    if (this.#isFirst()) this.#answers.nak(this.#reply, delayMs)
  }

  working(): void {
    if (!this.#isAnswered) this.#answers.working(this.#reply)
  }

  /** Whatever is called, the first answer is final. */
  #isFirst(): boolean {
    const isFirst = !this.#isAnswered
    this.#isAnswered = true
    return isFirst
  }
}
