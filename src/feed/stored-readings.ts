// What this monitor stores, on its way to the feed: of each machine the newest reading, at most so often a second.
//
// 100,000 readings a second are stored at the limit: of a batch only the newest of each machine is looked at, and its
// text is made when it leaves. Pure: the clock is the caller's.
import type { DecodedMessage, MessageBatch, WriteOutcome } from '../pipeline-types.ts'
import { readingJson, type Reading } from '../reading.ts'
import { Coalescer } from './coalescer.ts'
import { frameText, type FeedLine } from './feed-message.ts'
import { isNewer } from './newest.ts'

interface Stored {
  readonly reading: Reading
  readonly timestamp: string
  readonly receivedAtMicros: number
}

export class StoredReadings {
  readonly #waiting: Coalescer<Stored>

  constructor(perSecond: number) {
    this.#waiting = new Coalescer(perSecond)
  }

  get isWaiting(): boolean {
    return !this.#waiting.isEmpty
  }

  /** Takes in a batch that is committed. */
  committed({ messages, machines }: MessageBatch, outcome: WriteOutcome & { kind: 'committed' }): void {
    const isPlain =
      outcome.refused.size === 0 &&
      outcome.postponed.size === 0 &&
      messages.every(({ delivery }) => delivery.replayOf === null)
    if (!isPlain) return this.#committedInPart(messages, outcome)
    for (const { newest, newestReceivedAtMs } of machines.values()) this.#stored(newest, newestReceivedAtMs)
  }

  #committedInPart(messages: readonly DecodedMessage[], outcome: WriteOutcome & { kind: 'committed' }): void {
    // From the newest on: the others of a machine are then passed over at a look.
    for (const message of messages.toReversed()) {
      const { delivery, readings } = message
      // What became of a replay is not known here; the next look at the database brings what it stored.
      if (delivery.replayOf !== null) continue
      if (outcome.postponed.has(message)) continue
      const refused = outcome.refused.get(message)
      for (let j = readings.length - 1; j >= 0; j--) {
        const { position, reading } = readings[j] as (typeof readings)[number]
        if (refused?.positions.has(position) === true) continue
        this.#stored(reading, delivery.receivedAtMs)
      }
    }
  }

  /** What is due, as lines of the feed; `at`: the time of day that they bear, RFC 3339. */
  take(nowMs: number, at: string): FeedLine[] {
    return linesOf(this.#waiting.take(nowMs), at)
  }

  /** All that waits, due or not. */
  takeAll(at: string): FeedLine[] {
    return linesOf(this.#waiting.takeAll(), at)
  }

  #stored(reading: Reading, receivedAtMs: number): void {
    const { machine_id: machineId, timestamp } = reading
    const receivedAtMicros = Math.round(receivedAtMs * 1_000)
    const newest = this.#waiting.waiting(machineId)
    if (newest !== undefined && !isNewer(timestamp, receivedAtMicros, newest)) return
    this.#waiting.put(machineId, { reading, timestamp, receivedAtMicros })
  }
}

function linesOf(stored: readonly Stored[], at: string): FeedLine[] {
  return stored.map(({ reading, timestamp, receivedAtMicros }) => ({
    machineId: reading.machine_id,
    timestamp,
    receivedAtMicros,
    text: frameText(readingJson(reading), at),
  }))
}
