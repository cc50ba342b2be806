// The identity of a message in the database: one bigint made of the stream's incarnation, numbered in a
// table, and the sequence in the stream. A stream made anew, or a second one, never collides with what is
// stored (docs/decisions/0003).
import type { StreamIncarnation } from '../pipeline-types.ts'
import type { Pool } from './pool.ts'

/** 2^46 messages in one incarnation: 22 years at 100,000 a second. 17 bits remain for incarnations. */
const SEQUENCE_BITS = 46n
const SEQUENCE_LIMIT = 2 ** Number(SEQUENCE_BITS)

export interface MessageIds {
  /** Makes the incarnation's number known; asks the database only the first time. */
  prepare(incarnation: StreamIncarnation): Promise<void>
  /** The message's id as decimal text. Throws when its incarnation was not prepared. */
  of(incarnation: StreamIncarnation, sequence: number): string
}

export function messageIds(pool: Pool): MessageIds {
  const bases = new Map<string, bigint>()
  const keyOf = (incarnation: StreamIncarnation) => `${incarnation.stream} ${incarnation.createdAt}`
  return {
    async prepare(incarnation) {
      const key = keyOf(incarnation)
      if (bases.has(key)) return
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
      bases.set(key, BigInt(id) << SEQUENCE_BITS)
    },
    of(incarnation, sequence) {
      const base = bases.get(keyOf(incarnation))
      if (base === undefined) throw new Error(`The stream's incarnation ${keyOf(incarnation)} has no number.`)
      if (sequence >= SEQUENCE_LIMIT)
        throw new Error(`The sequence ${sequence} is beyond what an id can hold.`)
      return (base + BigInt(sequence)).toString()
    },
  }
}
