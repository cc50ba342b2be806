// How much to ask the stream for, and when. Pure: no connection, no clock.
//
// Invariant: what was asked for and has not arrived, plus what has arrived and was not handed out, never exceeds
// the limits. While nobody takes what has arrived nothing more is asked for: that is the back-pressure.

export interface Amount {
  readonly messages: number
  /** As the server counts a message: subject, reply, headers and payload. */
  readonly bytes: number
}

export class PullWindow {
  readonly #limits: Amount
  #asked = { messages: 0, bytes: 0 }
  #held = { messages: 0, bytes: 0 }

  constructor(limits: Amount) {
    this.#limits = limits
  }

  /** Whether the server owes anything. */
  get isWaiting(): boolean {
    return this.#asked.messages > 0
  }

  /** What to ask for now: all that is free, once half of the window is; null: nothing yet. */
  next(): Amount | null {
    const messages = this.#limits.messages - this.#asked.messages - this.#held.messages
    const bytes = this.#limits.bytes - this.#asked.bytes - this.#held.bytes
    if (messages * 2 < this.#limits.messages || bytes * 2 < this.#limits.bytes) return null
    this.#asked.messages += messages
    this.#asked.bytes += bytes
    return { messages, bytes }
  }

  /** A message has arrived and is held until it is handed out. */
  arrived(bytes: number): void {
    this.#held.messages += 1
    this.#held.bytes += bytes
    this.#fulfil(1, bytes)
  }

  /** Everything that is held was handed out. */
  handedOut(): void {
    this.#held = { messages: 0, bytes: 0 }
  }

  /** The server ended a request that had this much left. */
  ended(rest: Amount): void {
    this.#fulfil(rest.messages, rest.bytes)
  }

  /** Bytes are the server's estimate and ours: whatever they add up to, no message owed is no byte owed. */
  #fulfil(messages: number, bytes: number): void {
    this.#asked.messages = Math.max(0, this.#asked.messages - messages)
    this.#asked.bytes = this.#asked.messages === 0 ? 0 : Math.max(0, this.#asked.bytes - bytes)
  }
}
