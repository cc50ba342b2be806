// Publishing without waiting for each acknowledgement, bounded.
//
// Invariant: every message sent is counted exactly once, as taken or as refused; nothing sent is left behind
// unseen, because `settled` resolves only when all are answered. A failure never throws: it is a count and the
// first sentence.
import { sentenceOf } from '../errors.ts'
import type { Publisher } from '../pipeline-types.ts'

export class PublishWindow {
  /** Messages the stream acknowledged. */
  taken = 0
  /** Messages it did not. */
  refused = 0
  /** The sentence of the first failure; null while there is none. */
  firstError: string | null = null
  readonly #publisher: Publisher
  readonly #limit: number
  #inFlight = 0
  #wake = () => {}

  /** `limit`: messages that may be unacknowledged at once. */
  constructor(publisher: Publisher, limit: number) {
    this.#publisher = publisher
    this.#limit = limit
  }

  get isFull(): boolean {
    return this.#inFlight >= this.#limit
  }

  /**
   * Sends one message. Resolves when it is answered: null when it was taken, else why it was not. Never rejects,
   * so it need not be awaited.
   */
  async send(subject: string, payload: string): Promise<string | null> {
    this.#inFlight++
    let problem: string | null = null
    try {
      await this.#publisher.publish(subject, payload)
      this.taken++
    } catch (error) {
      problem = sentenceOf(error)
      this.refused++
      this.firstError ??= problem
    }
    this.#inFlight--
    this.#wake()
    return problem
  }

  /** Resolves when one more may be sent, or when `signal` aborts. One caller at a time. */
  async room(signal: AbortSignal): Promise<void> {
    if (!this.isFull) return
    const wake = () => this.#wake()
    signal.addEventListener('abort', wake, { once: true })
    try {
      await this.#until(() => !this.isFull || signal.aborted)
    } finally {
      signal.removeEventListener('abort', wake)
    }
  }

  /** Resolves when everything sent is answered: after the client's time limit at the latest. */
  async settled(): Promise<void> {
    await this.#until(() => this.#inFlight === 0)
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}
