// The hypertable's history in pieces: a statement that is bounded to a few chunks is planned in a millisecond, one
// that may touch a thousand of them takes hundreds.
import type { Pool } from './pool.ts'

/** Times between which readings are looked for; null: no limit on that side. */
export interface Piece {
  readonly from: string | null
  /** Does not belong to it. */
  readonly to: string | null
}

/** Chunks of a piece at most. Where readings are rare a piece is empty, and the next one may be larger. */
const MOST_CHUNKS = 64

/** The beginnings of the chunks that may hold readings of this window, oldest first. */
export async function readChunkStarts(
  pool: Pool,
  startTime: string | null,
  endTime: string | null,
): Promise<string[]> {
  const { rows } = await pool.query<[string]>({
    text: `
      SELECT replace((range_start AT TIME ZONE 'UTC')::text, ' ', 'T') || 'Z'
      FROM timescaledb_information.chunks
      WHERE hypertable_name = 'sensor_data'
        AND range_end > coalesce($1::timestamptz, '-infinity') AND range_start <= coalesce($2::timestamptz, 'infinity')
      ORDER BY range_start`,
    values: [startTime, endTime],
    rowMode: 'array',
  })
  return rows.map(([start]) => start)
}

/**
 * Every instant lies in exactly one piece, also where no chunk is yet.
 */
export class Pieces {
  readonly #starts: readonly string[]
  readonly #isNewestFirst: boolean
  #taken = 0
  #chunks = 1

  /** `starts`: oldest first. */
  constructor(starts: readonly string[], order: 'asc' | 'desc') {
    this.#starts = starts
    this.#isNewestFirst = order === 'desc'
  }

  /** Null when all of the history was given. */
  next(): Piece | null {
    const count = this.#starts.length
    if (this.#taken >= count) return null
    const begin = this.#taken
    this.#taken = Math.min(count, begin + this.#chunks)
    const [low, high] = this.#isNewestFirst ? [count - this.#taken, count - begin] : [begin, this.#taken]
    return {
      from: low === 0 ? null : (this.#starts[low] ?? null),
      to: high === count ? null : (this.#starts[high] ?? null),
    }
  }

  /** Whether the last piece held much: the next one then covers one chunk, else more than before. */
  held(much: boolean): void {
    this.#chunks = much ? 1 : Math.min(MOST_CHUNKS, this.#chunks * 4)
  }
}
