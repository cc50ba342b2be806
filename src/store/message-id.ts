// The identity of a message in the database: one bigint made of the stream's incarnation, numbered in a
// table, and the sequence in the stream. A stream made anew, or a second one, never collides with what is
// stored (docs/decisions/0003).
import type { StreamIncarnation } from '../pipeline-types.ts'
import type { Pool } from './pool.ts'

/** 2^46 messages in one incarnation: 22 years at 100,000 a second. 17 bits remain for incarnations. */
const SEQUENCE_BITS = 46
const SEQUENCE_LIMIT = 2 ** SEQUENCE_BITS

/** A message's id, in the two halves in which it is sent: the hot path makes no bigint a message. */
export interface MessageId {
  /** The upper 32 bits, signed. */
  readonly high: number
  /** The lower 32 bits, unsigned. */
  readonly low: number
}

export interface MessageIds {
  /** Makes the incarnation's number known; asks the database only the first time. */
  prepare(incarnation: StreamIncarnation): Promise<void>
  /** Throws when the incarnation was not prepared, or the sequence is beyond what an id holds. */
  of(incarnation: StreamIncarnation, sequence: number): MessageId
}

export function messageIds(pool: Pool): MessageIds {
  const numbers = new Map<string, number>()
  // A flow hands out one and the same object with all its deliveries.
  let last: { readonly incarnation: StreamIncarnation; readonly number: number } | null = null
  const keyOf = (incarnation: StreamIncarnation) => `${incarnation.stream} ${incarnation.createdAt}`
  const numberOf = (incarnation: StreamIncarnation): number => {
    if (last?.incarnation === incarnation) return last.number
    const number = numbers.get(keyOf(incarnation))
    if (number === undefined) throw new Error(`The stream's incarnation ${keyOf(incarnation)} has no number.`)
    last = { incarnation, number }
    return number
  }
  return {
    async prepare(incarnation) {
      const key = keyOf(incarnation)
      if (numbers.has(key)) return
      const values = [incarnation.stream, incarnation.createdAt]
      await pool.query(
        'INSERT INTO stream_incarnations (stream, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING',
        values,
      )
      const { rows } = await pool.query<{ id: number }>(
        'SELECT id FROM stream_incarnations WHERE stream = $1 AND created_at = $2',
        values,
      )
      const id = rows[0]?.id
      if (id === undefined) throw new Error(`The stream's incarnation ${key} could not be numbered.`)
      numbers.set(key, id)
    },
    of(incarnation, sequence) {
      if (sequence >= SEQUENCE_LIMIT) {
        throw new Error(`The sequence ${sequence} is beyond what an id can hold.`)
      }
      const number = numberOf(incarnation)
      return {
        high: number * 2 ** (SEQUENCE_BITS - 32) + Math.floor(sequence / 2 ** 32),
        low: sequence >>> 0,
      }
    },
  }
}

/** The id as decimal text. */
export function idText({ high, low }: MessageId): string {
  return ((BigInt(high) << 32n) + BigInt(low)).toString()
}
