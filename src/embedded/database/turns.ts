/*
 * Whose turn it is at the engine. Pure: no clock, no timers.
 *
 * Invariant: the lowest rank goes first and equals go in the order they came, except that whoever has waited
 * longer than `maxWaitMs` goes before everybody, the longest waiting first: no rank starves.
 */

/** Commits first, then readiness, everything else, jobs and exports, and the database's own upkeep. */
export const RANKS = { ingest: 0, ready: 1, others: 2, jobs: 3, upkeep: 4 } as const

export type Rank = (typeof RANKS)[keyof typeof RANKS]

/** The rank of a client by the application_name it gave when it connected. */
export function rankOf(applicationName: string): Rank {
  if (applicationName === 'cnc-monitor ingest') return RANKS.ingest
  if (applicationName === 'cnc-monitor ready') return RANKS.ready
  if (applicationName === 'cnc-monitor jobs') return RANKS.jobs
  if (applicationName === 'cnc-monitor exports') return RANKS.jobs
  return RANKS.others
}

interface Waiting {
  readonly rank: Rank
  readonly sinceMs: number
}

export class Turns<T> {
  readonly #maxWaitMs: number
  /** In the order they came. */
  readonly #waiting = new Map<T, Waiting>()

  constructor(maxWaitMs = 1_000) {
    this.#maxWaitMs = maxWaitMs
  }

  get size(): number {
    return this.#waiting.size
  }

  /** Queues once; a second call while it waits changes nothing. */
  add(item: T, rank: Rank, nowMs: number): void {
    if (!this.#waiting.has(item)) this.#waiting.set(item, { rank, sinceMs: nowMs })
  }

  delete(item: T): void {
    this.#waiting.delete(item)
  }

  /** Takes the next one out of the queue. */
  take(nowMs: number): T | undefined {
    let best: { item: T; rank: Rank } | undefined
    for (const [item, { rank, sinceMs }] of this.#waiting) {
      if (nowMs - sinceMs > this.#maxWaitMs) {
        best = { item, rank }
        break
      }
      if (best === undefined || rank < best.rank) best = { item, rank }
    }
    if (best === undefined) return undefined
    this.#waiting.delete(best.item)
    return best.item
  }
}
