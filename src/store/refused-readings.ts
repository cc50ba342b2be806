// What could not be written of one message, as its dead letters.
//
// Invariant: of one message no more are kept than its limit says, the decoder's counted in; the last one counts
// the rest. One of these is kept in any case, because its reason is nowhere else.
import type { DecodedMessage, PlacedReading, RefusedReadings } from '../pipeline-types.ts'
import { sentenceOf } from '../errors.ts'
import { readingJson, type Rejection } from '../reading.ts'
import { kindOfFailure } from './sqlstate.ts'

export type Refusal = Pick<Rejection, 'code' | 'reason'>

/** A reading, and what is said against it. */
export interface RefusedReading extends PlacedReading, Refusal {}

/** Who refuses `what`, and why: the database, or this program, which fails on it. */
export function refusalBy(error: unknown, what: string): Refusal {
  return kindOfFailure(error) === 'mistake'
    ? { code: 'internal_error', reason: `this program failed to write ${what}: ${sentenceOf(error)}` }
    : { code: 'refused_by_database', reason: `the database refused ${what}: ${sentenceOf(error)}` }
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
    rejections: ordered.slice(0, kept).map(({ position, reading, code, reason }, i) => ({
      code,
      reason,
      position,
      payload: new TextEncoder().encode(readingJson(reading)),
      more: i === kept - 1 ? ordered.length - kept : 0,
    })),
    positions: new Set(ordered.map(({ position }) => position)),
  }
}
