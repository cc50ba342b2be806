// Dead letters, given back: the newest first, page by page, and one of them whole.
//
// Invariant: a page is bounded, whatever the payloads are. Ids only grow, so pages put together are the whole
// while new dead letters arrive.
import type { DeadLetterFilter, DeadLetterState, ReplayOutcome } from '../dead-letter.ts'
import { deadLetterCondition, stateExpression } from './dead-letter-filter.ts'
import type { Pool } from './pool.ts'
import { listReplays, type Replay } from './replays.ts'
import { SHOWN_PAYLOAD_BYTES, shownPayload, utc, type ShownPayload } from './shown-values.ts'

export interface DeadLetter extends ShownPayload {
  readonly id: string
  readonly state: DeadLetterState
  readonly stream: string
  readonly sequence: number
  readonly position: number
  /** Whether it is one element of the array that the message was; else the whole message. */
  readonly in_array: boolean
  readonly subject: string
  /** The machine that the refused reading names. */
  readonly machine_id: string | null
  readonly code: string
  readonly reason: string
  readonly payload_bytes: number
  /** Whether `payload` is only its beginning. */
  readonly payload_truncated: boolean
  /** Further refused readings of the same message that this one stands for. */
  readonly more: number
  /** RFC 3339 in UTC: when the stream received the message, when it was refused, when a replay was stored. */
  readonly received_at: string
  readonly recorded_at: string
  readonly stored_at: string | null
  readonly last_replay: {
    readonly id: string
    readonly outcome: ReplayOutcome
    readonly outcome_reason: string | null
  } | null
}

type Row = Omit<DeadLetter, 'payload' | 'payload_encoding' | 'payload_truncated' | 'sequence'> & {
  payload: Buffer
  sequence: string
}

const columns = (payload: string) => `
  d.id, ${stateExpression} AS state, d.stream, d.sequence, d.position, d.in_array, d.subject, d.machine_id, d.code,
  d.reason, ${payload} AS payload, octet_length(d.payload) AS payload_bytes, d.more,
  ${utc('d.received_at')} AS received_at, ${utc('d.recorded_at')} AS recorded_at, ${utc('d.stored_at')} AS stored_at,
  (SELECT json_build_object('id', r.id, 'outcome', r.outcome, 'outcome_reason', r.outcome_reason)
   FROM dead_letter_replays r WHERE r.dead_letter_id = d.id ORDER BY r.requested_at DESC, r.id LIMIT 1) AS last_replay`

/** The newest first, `limit` at most, payloads cut. */
export async function listDeadLetters(
  pool: Pool,
  limit: number,
  filter: DeadLetterFilter = {},
  cursor: string | null = null,
): Promise<DeadLetter[]> {
  const { sql, values } = deadLetterCondition(filter, cursor)
  const { rows } = await pool.query<Row>(
    `SELECT ${columns(`substring(d.payload FOR ${SHOWN_PAYLOAD_BYTES})`)}
     FROM dead_letters d WHERE ${sql} ORDER BY d.id DESC LIMIT $${values.length + 1}`,
    [...values, limit],
  )
  return rows.map(deadLetterOf)
}

/** One of them, with its whole payload and its replays, newest first; null when there is none of this id. */
export async function findDeadLetter(
  pool: Pool,
  id: string,
): Promise<(DeadLetter & { readonly replays: Replay[] }) | null> {
  const { rows } = await pool.query<Row>(
    `SELECT ${columns('d.payload')} FROM dead_letters d WHERE d.id = $1`,
    [id],
  )
  const [row] = rows
  return row === undefined ? null : { ...deadLetterOf(row), replays: await listReplays(pool, id) }
}

/** Ids of what may be replayed as it is, the newest first: neither stored already nor kept in part only. */
export async function listReplayable(
  pool: Pool,
  limit: number,
  filter: DeadLetterFilter,
  cursor: string | null,
): Promise<string[]> {
  const { sql, values } = deadLetterCondition(filter, cursor)
  const { rows } = await pool.query<{ id: string }>(
    `SELECT d.id FROM dead_letters d WHERE ${replayable} AND ${sql} ORDER BY d.id DESC LIMIT $${values.length + 1}`,
    [...values, limit],
  )
  return rows.map(({ id }) => id)
}

/** How many `listReplayable` would list without a limit. */
export async function countReplayable(
  pool: Pool,
  filter: DeadLetterFilter,
  cursor: string | null,
): Promise<number> {
  const { sql, values } = deadLetterCondition(filter, cursor)
  const { rows } = await pool.query<{ count: string }>(
    `SELECT count(*) FROM dead_letters d WHERE ${replayable} AND ${sql}`,
    values,
  )
  return Number(rows[0]?.count)
}

const replayable = "d.stored_at IS NULL AND d.code <> 'too_large'"

function deadLetterOf({ payload, sequence, ...row }: Row): DeadLetter {
  const isCut = payload.length < row.payload_bytes
  return {
    ...row,
    sequence: Number(sequence),
    ...shownPayload(payload, isCut),
    payload_truncated: isCut,
  }
}
