// When a remedy that has not helped is tried again. Pure: no clock, no connection.
//
// Invariant: the first time is at once; as long as the trouble is the same, each pause is twice as long as the one
// before, up to the longest. Another trouble begins anew.

const FIRST_PAUSE_MS = 10_000
const LONGEST_PAUSE_MS = 600_000

export class RemedyPause {
  #trouble = ''
  #times = 0
  #lastMs = 0

  /** How often the remedy was tried on the trouble that was seen last. */
  get times(): number {
    return this.#times
  }

  /** Until the remedy is due again; 0 the first time. */
  get pauseMs(): number {
    return this.#times === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#times - 1))
  }

  /** What the trouble would be called if there were one now; tries on another one are forgotten. */
  see(trouble: string): void {
    if (trouble !== this.#trouble) this.#times = 0
    this.#trouble = trouble
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.#lastMs >= this.pauseMs
  }

  tried(nowMs: number): void {
    this.#times += 1
    this.#lastMs = nowMs
  }
}
