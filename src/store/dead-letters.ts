// Dead letters, given back.
import { isUtf8 } from 'node:buffer'
import type { Pool } from './pool.ts'

export interface DeadLetter {
  readonly id: string
  readonly stream: string
  readonly sequence: number
  readonly position: number
  readonly subject: string
  readonly code: string
  readonly reason: string
  /** Text where the bytes are UTF-8, base64 otherwise. */
  readonly payload: string
  readonly payload_encoding: 'utf8' | 'base64'
  /** Further refused readings of the same message that this one stands for. */
  readonly more: number
  /** RFC 3339 in UTC. */
  readonly received_at: string
}

type Row = Omit<DeadLetter, 'payload' | 'payload_encoding' | 'sequence'> & {
  payload: Buffer
  sequence: string
}

/** The newest first, `limit` at most. */
export async function listDeadLetters(pool: Pool, limit: number): Promise<DeadLetter[]> {
  const { rows } = await pool.query<Row>(
    `SELECT id, stream, sequence, position, subject, code, reason, payload, more,
       to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS received_at
     FROM dead_letters ORDER BY id DESC LIMIT $1`,
    [limit],
  )
  return rows.map(({ payload, sequence, ...row }) => {
    const encoding = isUtf8(payload) ? 'utf8' : 'base64'
    return {
      ...row,
      sequence: Number(sequence),
      payload: payload.toString(encoding),
      payload_encoding: encoding,
    }
  })
}
