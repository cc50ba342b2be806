// How much to ask the stream for, and when. Pure: no connection, no clock.
//
// Invariant: what was asked for and has not arrived, plus what has arrived and was not handed out, never exceeds
// the limits. While nobody takes what has arrived nothing more is asked for: that is the back-pressure.
//
// Asked in halves of the window, of which two may be under way: while one is worked on the other arrives. A server
// may fulfil them in turns; the sums are the same, so it is counted as if they came one after the other.

export interface Amount {
  readonly messages: number
  /** Payload and reply subject; the server counts subject and headers as well. */
  readonly bytes: number
}

export class PullWindow {
  readonly #limits: Amount
  readonly #half: Amount
  /** The oldest first; each with what it still may bring. */
  readonly #requests: { messages: number; bytes: number }[] = []
  #held = { messages: 0, bytes: 0 }

  constructor(limits: Amount) {
    this.#limits = limits
    this.#half = { messages: Math.ceil(limits.messages / 2), bytes: Math.ceil(limits.bytes / 2) }
  }

  /** Whether the server owes anything. */
  get isWaiting(): boolean {
    return this.#requests.length > 0
  }

  /** What to ask for now; null: nothing yet. To be called until it is null. */
  next(): Amount | null {
    let { messages, bytes } = this.#held
    for (const request of this.#requests) {
      messages += request.messages
      bytes += request.bytes
    }
    const request = {
      messages: Math.min(this.#half.messages, this.#limits.messages - messages),
      bytes: Math.min(this.#half.bytes, this.#limits.bytes - bytes),
    }
    // The second half of an odd window is one short.
    if (request.messages < Math.max(1, this.#half.messages - 1)) return null
    if (request.bytes < Math.max(1, this.#half.bytes - 1)) return null
    this.#requests.push(request)
    return { ...request }
  }

  /** A message has arrived and is held until it is handed out. */
  arrived(bytes: number): void {
    this.#held.messages += 1
    this.#held.bytes += bytes
    const [oldest] = this.#requests
    if (oldest === undefined) return
    oldest.messages -= 1
    // Bytes are the server's estimate and ours; what is fulfilled owes none.
    oldest.bytes = Math.max(0, oldest.bytes - bytes)
    if (oldest.messages === 0) this.#requests.shift()
  }

  /** Everything that is held was handed out. */
  handedOut(): void {
    this.#held = { messages: 0, bytes: 0 }
  }

  /** The server has ended a request that would have brought so much more; nothing: it did not say. */
  ended(rest: Amount): void {
    let { messages } = rest
    for (let oldest = this.#requests[0]; oldest !== undefined; oldest = this.#requests[0]) {
      if (messages > 0 && oldest.messages > messages) {
        oldest.messages -= messages
        oldest.bytes = Math.max(0, oldest.bytes - rest.bytes)
        return
      }
      messages -= oldest.messages
      this.#requests.shift()
      if (messages <= 0) return
    }
  }
}
