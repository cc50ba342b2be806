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

const RETRY_AFTER_S = 5
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
    return new Promise((resolve, reject) => {
      if (this.#waiting.size >= this.#limits.waiting) return reject(this.#refusal(response))
      const end = () => {
        clearTimeout(limit)
        response.off('close', giveUp)
        this.#waiting.delete(go)
      }
      const go = () => (end(), resolve())
      const giveUp = () => (end(), reject(this.#refusal(response)))
      const limit = setTimeout(giveUp, this.#limits.waitMs)
      response.once('close', giveUp)
      this.#waiting.add(go)
    })
  }

  #refusal(response: ServerResponse): Problem {
    if (!response.closed) response.setHeader('retry-after', RETRY_AFTER_S)
    const { slots } = this.#limits
    return new Problem('busy', `${slots} answers of readings are under way already; try again soon.`)
  }

  /** The one that has waited longest takes the room over. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) this.#free++
    else next()
  }
}
