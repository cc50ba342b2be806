// The answers of one flow, by the words of ADR-15. Acks, of which there is one a message, leave in bulk: written
// side by side into one buffer, at the end of the turn.
//
// The client's publish makes several small buffers of every ack; that was the largest part of all garbage
// (docs/performance.md). What leaves here is the same protocol line, through the client's own `sendCommand`, which
// its types do not show; where a release of the client has it no more, acks are published one by one.
//
// Invariant: an answer that cannot be sent is none, and the message is delivered again; so nothing is sent once
// the flow's time is over, and nothing is kept for later.
import type { AnswerTime } from './answer-time.ts'
import type { NatsConnection } from './connect.ts'

const CHUNK_BYTES = 32 * 1024
const BEFORE = Buffer.from('PUB ')
const AFTER = Buffer.from(' 4\r\n+ACK\r\n')

const ACK = Buffer.from('+ACK')
const NAK = Buffer.from('-NAK')
const TERM = Buffer.from('+TERM')
const WORKING = Buffer.from('+WPI')
const NANOS_PER_MS = 1_000_000

interface Protocol {
  sendCommand(command: Uint8Array): void
}

/** `reply` is everywhere the message's reply subject, which is ASCII; for an ack, the place where it lies. */
export class Answers {
  readonly #connection: NatsConnection
  readonly #time: AnswerTime
  readonly #protocol: Protocol | null
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #at = 0

  constructor(connection: NatsConnection, time: AnswerTime) {
    this.#connection = connection
    this.#time = time
    const { protocol } = connection as unknown as { protocol?: Partial<Protocol> }
    this.#protocol = typeof protocol?.sendCommand === 'function' ? (protocol as Protocol) : null
  }

  ack(reply: Buffer, start: number, end: number): void {
    if (this.#protocol === null) return this.#publish(reply.toString('latin1', start, end), ACK)
    const bytes = BEFORE.length + (end - start) + AFTER.length
    if (this.#at + bytes > this.#chunk.length) this.#sendAcks(Math.max(CHUNK_BYTES, bytes))
    if (this.#at === 0) queueMicrotask(() => this.#sendAcks(CHUNK_BYTES))
    this.#append(BEFORE, 0, BEFORE.length)
    this.#append(reply, start, end)
    this.#append(AFTER, 0, AFTER.length)
  }

  term(reply: string): void {
    this.#publish(reply, TERM)
  }

  nak(reply: string, delayMs: number): void {
    const delay = Math.round(delayMs)
    this.#publish(reply, delay > 0 ? Buffer.from(`-NAK {"delay":${delay * NANOS_PER_MS}}`) : NAK)
  }

  working(reply: string): void {
    this.#publish(reply, WORKING)
  }

  /** Byte by byte: for so few a loop is quicker than a call. */
  #append(bytes: Buffer, start: number, end: number): void {
    const chunk = this.#chunk
    let at = this.#at
    for (let i = start; i < end; i++) chunk[at++] = bytes[i] as number
    this.#at = at
  }

  #canSend(): boolean {
    return !this.#time.isOver() && !this.#connection.isClosed()
  }

  #publish(reply: string, word: Uint8Array): void {
    if (this.#canSend()) this.#connection.publish(reply, word)
  }

  /** What was sent belongs to the socket from then on; the next chunk is another buffer. */
  #sendAcks(nextBytes: number): void {
    if (this.#at === 0) return
    const acks = this.#chunk.subarray(0, this.#at)
    this.#at = 0
    this.#chunk = Buffer.allocUnsafeSlow(nextBytes)
    if (this.#canSend()) this.#protocol?.sendCommand(acks)
  }
}
