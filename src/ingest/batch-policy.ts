// When a batch is cut. Pure: no timers, no clock; the pipeline owns both.
import type { DecodedMessage } from '../pipeline-types.ts'

export interface BatchLimits {
  readonly messages: number
  readonly readings: number
  /** Payload bytes. */
  readonly bytes: number
  /** Longest the first message waits for the batch to fill, in milliseconds. */
  readonly ageMs: number
}

/** Messages that are written together. */
export class Batch {
  readonly messages: DecodedMessage[] = []
  #readings = 0
  #bytes = 0

  add(message: DecodedMessage): void {
    this.messages.push(message)
    this.#readings += message.readings.length
    this.#bytes += message.delivery.size
  }

  isEmpty(): boolean {
    return this.messages.length === 0
  }

  /** Which limit the batch has reached; null: none yet. It is exceeded by one message at most. */
  fullBy(limits: BatchLimits): 'messages' | 'readings' | 'bytes' | null {
    if (this.messages.length >= limits.messages) return 'messages'
    if (this.#readings >= limits.readings) return 'readings'
    return this.#bytes >= limits.bytes ? 'bytes' : null
  }
}
