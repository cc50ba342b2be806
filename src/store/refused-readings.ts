// What the database would not take of one message, as its dead letters.
//
// Invariant: of one message no more are kept than its limit says, the decoder's counted in; the last one counts
// the rest. One of the database's is kept in any case, because its reason is nowhere else.
import type { DecodedMessage, PlacedReading, RefusedReadings } from '../pipeline-types.ts'
import { readingJson } from '../reading.ts'

/** A reading, and what the database says against it. */
export interface RefusedReading extends PlacedReading {
  readonly reason: string
}

/** `refused`: all that was refused of the message, in any order. */
export function refusedReadings(
  message: DecodedMessage,
  refused: readonly RefusedReading[],
  maxDeadLetters: number,
): RefusedReadings {
  const kept = Math.max(1, maxDeadLetters - message.rejections.length)
  const ordered = refused.toSorted((a, b) => a.position - b.position)
  return {
    rejections: ordered.slice(0, kept).map(({ position, reading, reason }, i) => ({
      code: 'refused_by_database',
      reason: `the database refused this reading: ${reason}`,
      position,
      payload: new TextEncoder().encode(readingJson(reading)),
      more: i === kept - 1 ? ordered.length - kept : 0,
    })),
    positions: new Set(ordered.map(({ position }) => position)),
  }
}
