// One message off the consumer, and the only means to answer it.
import type { Msg } from '@nats-io/transport-node'
import type { Delivery, StreamIncarnation } from '../pipeline-types.ts'
import { REPLAY_HEADER, replayOriginIn, type ReplayOrigin } from '../replay-origin.ts'
import type { AckReply } from './ack-reply.ts'
import type { Answers } from './answers.ts'
import type { SocketBuffers } from './received-message.ts'

/** What all deliveries of one flow have in common. */
export interface Flow {
  readonly incarnation: StreamIncarnation
  readonly answers: Answers
  readonly buffers: SocketBuffers
}

/** Keeps nothing of the client's message but numbers and the buffer it lies in: it lives until its batch is committed. */
export class JetStreamDelivery implements Delivery {
  readonly sequence: number
  readonly receivedAtMs: number
  readonly deliveryCount: number
  readonly replayOf: ReplayOrigin | null
  readonly size: number
  readonly #flow: Flow
  /** The buffer that holds the subjects; a message that came in two pieces has its payload in another one. */
  readonly #subjects: Buffer
  readonly #subjectAt: number
  readonly #subjectEnd: number
  readonly #replyAt: number
  readonly #replyEnd: number
  readonly #payload: Buffer
  readonly #payloadAt: number
  #isAnswered = false

  /** `said`: what was read off `reply`; it is not kept. */
  constructor(message: Msg, subject: Uint8Array, reply: Uint8Array, said: AckReply, flow: Flow) {
    const { data, headers } = message
    this.sequence = said.streamSequence
    this.receivedAtMs = said.receivedAtMs
    this.deliveryCount = said.deliveries
    // Absent headers cost nothing; they are read only where there are some.
    this.replayOf = headers === undefined ? null : replayOriginIn(headers.get(REPLAY_HEADER))
    this.size = data.length
    this.#flow = flow
    this.#subjects = flow.buffers.holding(subject)
    this.#subjectAt = subject.byteOffset
    this.#subjectEnd = subject.byteOffset + subject.length
    this.#replyAt = reply.byteOffset
    this.#replyEnd = reply.byteOffset + reply.length
    this.#payload = flow.buffers.holding(data)
    this.#payloadAt = data.byteOffset
  }

  get incarnation(): StreamIncarnation {
    return this.#flow.incarnation
  }

  get subject(): string {
    return this.#subjects.toString('latin1', this.#subjectAt, this.#subjectEnd)
  }

  get data(): Uint8Array {
    return this.#payload.subarray(this.#payloadAt, this.#payloadAt + this.size)
  }

  ack(): void {
    if (this.#isFirst()) this.#flow.answers.ack(this.#subjects, this.#replyAt, this.#replyEnd)
  }

  term(): void {
    if (this.#isFirst()) this.#flow.answers.term(this.#reply)
  }

  nak(delayMs: number): void {
    if (this.#isFirst()) this.#flow.answers.nak(this.#reply, delayMs)
  }

  working(): void {
    if (!this.#isAnswered) this.#flow.answers.working(this.#reply)
  }

  get #reply(): string {
    return this.#subjects.toString('latin1', this.#replyAt, this.#replyEnd)
  }

  /** Whatever is called, the first answer is final. */
  #isFirst(): boolean {
    const isFirst = !this.#isAnswered
    this.#isAnswered = true
    return isFirst
  }
}
