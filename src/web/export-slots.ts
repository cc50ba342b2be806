// How many answers of readings are under way at once: each holds a page or two in memory until its client has read
// them. Whoever finds no room waits a little and is then told to come back.
import type { ServerResponse } from 'node:http'
import { Problem } from './problems.ts'

export interface SlotLimits {
  readonly slots: number
  /** Requests that may wait at once, and how long each may. */
  readonly waiting: number
  readonly waitMs: number
}

const USUAL: SlotLimits = { slots: 64, waiting: 256, waitMs: 10_000 }

export class ExportSlots {
  readonly #limits: SlotLimits
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(limits: SlotLimits = USUAL) {
    this.#limits = limits
    this.#free = limits.slots
  }

  /** Resolves when there is room, which `response` holds until it is closed. Throws a Problem. */
  async take(response: ServerResponse): Promise<void> {
    if (this.#free > 0) this.#free--
    else await this.#turn(response)
    if (response.closed) this.#leave()
    else response.once('close', () => this.#leave())
  }

  #turn(response: ServerResponse): Promise<void> {
    const busy = new Problem(
      'busy',
      `${this.#limits.slots} answers of readings are being read at the moment; try again soon.`,
    )
    if (this.#waiting.size >= this.#limits.waiting) return Promise.reject(busy)
    return new Promise((resolve, reject) => {
      const end = () => {
        clearTimeout(limit)
        response.off('close', giveUp)
        this.#waiting.delete(go)
      }
      const go = () => (end(), resolve())
      const giveUp = () => (end(), reject(busy))
      const limit = setTimeout(giveUp, this.#limits.waitMs)
      response.once('close', giveUp)
      this.#waiting.add(go)
    })
  }

  /** The one that has waited longest takes the room over. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free++
    else next()
  }
}
