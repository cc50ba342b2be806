// Readings that come late: older than what the aggregates hold for good. Whoever stores one marks its hour, in the
// same transaction, and the job of aggregates.ts refreshes that hour (docs/decisions/0008).
//
// Invariant: a reading that is neither marked nor refreshed yet lies after `unmarked_from` in the database. So the
// boundary is believed for a few minutes only, by this process's own clock: a monitor that has not heard of it for
// longer takes every reading for a late one, which costs a needless refresh and loses nothing.
import { textArray } from './array-literal.ts'
import type { Connection } from './pool.ts'

const BELIEVED_MS = 5 * 60_000
const HOUR_CHARACTERS = 'YYYY-MM-DDTHH'.length

export class LateBoundary {
  #before = ''
  #untilMs = -Infinity

  /** `before`: readings before it are late, `YYYY-MM-DDTHH:MM`. `askedMs`: when it was asked for, monotonic. */
  learn(before: string, askedMs: number): void {
    this.#before = before
    this.#untilMs = askedMs + BELIEVED_MS
  }

  /** What a late reading's timestamp sorts before as text. */
  textAt(nowMs: number): string {
    return nowMs < this.#untilMs ? this.#before : ':' // after every digit
  }
}

/** The hours that readings fall into. Which of them have a late reading is asked when they are stored. */
export class ReadingHours {
  readonly #earliest = new Map<string, string>()
  /** Of the last reading; the next one is mostly of the same. */
  #hour = ''
  #earliestOfHour = ''

  /** `timestamp`: as readings have it. */
  add(timestamp: string): void {
    if (this.#hour === '' || !timestamp.startsWith(this.#hour)) {
      this.#hour = timestamp.slice(0, HOUR_CHARACTERS)
      this.#earliestOfHour = this.#earliest.get(this.#hour) ?? ''
    }
    if (this.#earliestOfHour !== '' && timestamp >= this.#earliestOfHour) return
    this.#earliestOfHour = timestamp
    this.#earliest.set(this.#hour, timestamp)
  }

  /** The hours that hold a late one, each once. */
  late(boundary: LateBoundary): string[] {
    const before = boundary.textAt(performance.now())
    return [...this.#earliest].filter(([, earliest]) => earliest < before).map(([hour]) => hour)
  }
}

/** Marks them; to be called in the transaction that stores their readings. */
export async function insertLateHours(connection: Connection, hours: readonly string[]): Promise<void> {
  await connection.query('INSERT INTO late_hours (hour) SELECT hour FROM unnest($1::timestamptz[]) AS hour', [
    textArray(hours.map((hour) => `${hour}:00Z`)),
  ])
}
