// A publisher that keeps what it is given, and refuses what it is told to.
import { setImmediate as turn } from 'node:timers/promises'
import type { Publisher } from '../../src/pipeline-types.ts'

export class RecordingPublisher implements Publisher {
  /** What was taken, in the order of the calls. */
  readonly messages: { readonly subject: string; readonly payload: string; readonly atMs: number }[] = []
  /** Most messages unanswered at once. */
  mostInFlight = 0
  #count = 0
  #inFlight = 0
  readonly #refuses: (count: number) => boolean

  /** `refuses` is asked with the number of the message, from 1. */
  constructor(refuses: (count: number) => boolean = () => false) {
    this.#refuses = refuses
  }

  async publish(subject: string, payload: Uint8Array | string): Promise<void> {
    const isRefused = this.#refuses(++this.#count)
    if (!isRefused) {
      const text = typeof payload === 'string' ? payload : Buffer.from(payload).toString()
      this.messages.push({ subject, payload: text, atMs: performance.now() })
    }
    this.#inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight)
    await turn()
    this.#inFlight--
    if (isRefused) throw new Error('no responders')
  }

  async close(): Promise<void> {}
}
