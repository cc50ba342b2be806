// Lets through the newest of each machine, at most so often a second. Pure: the clock is the caller's, and
// must not jump.
//
//   free --(put, take)--> resting until its next turn --(the turn comes)--> free
//
// Invariant: a machine passes at once when it is free, and what waits passes when its turn comes; at most one of
// each machine waits. Turns keep their distance from each other, not from when somebody came to look: one
// coalescer behind another with the same rate adds no wait, however late both are served.
export class Coalescer<T> {
  readonly #restMs: number
  readonly #waiting = new Map<string, T>()
  /** The next turn of each machine that passed lately, in the order in which they passed. */
  readonly #turnMs = new Map<string, number>()

  constructor(perSecond: number) {
    this.#restMs = 1_000 / perSecond
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  /** What waits of this machine. */
  waiting(machineId: string): T | undefined {
    return this.#waiting.get(machineId)
  }

  /** Takes the place of what waits of this machine. */
  put(machineId: string, value: T): void {
    this.#waiting.set(machineId, value)
  }

  /** What is due, in the order in which the machines came; it waits no more. */
  take(nowMs: number): T[] {
    for (const [machineId, turnMs] of this.#turnMs) {
      if (nowMs - turnMs < this.#restMs) break
      this.#turnMs.delete(machineId)
    }
    const due: T[] = []
    for (const [machineId, value] of this.#waiting) {
      const turnMs = this.#turnMs.get(machineId) ?? nowMs
      if (turnMs > nowMs) continue
      due.push(value)
      this.#waiting.delete(machineId)
      this.#turnMs.delete(machineId)
      this.#turnMs.set(machineId, turnMs + this.#restMs)
    }
    return due
  }

  /** All that waits, due or not. */
  takeAll(): T[] {
    const all = [...this.#waiting.values()]
    this.#waiting.clear()
    return all
  }
}
