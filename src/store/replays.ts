// The record of replays: who asked for one, when, with which payload, and what came of it.
//
//   pending --(its message is stored)--> stored        pending --(its message is refused)--> refused
//   pending --(the stream did not take it)--> failed
//
// A message may arrive although its publisher was told nothing: "failed" then becomes what came of it. "stored"
// and "refused" are final. The message itself is dealt with in replayed-messages.ts.
import type { ReplayOutcome } from '../dead-letter.ts'
import type { ReplayOrigin } from '../replay-origin.ts'
import type { Pool } from './pool.ts'
import { SHOWN_PAYLOAD_BYTES, shownPayload, utc, type ShownPayload } from './shown-values.ts'

export interface Replay {
  /** A UUID. */
  readonly id: string
  readonly dead_letter_id: string
  /** RFC 3339 in UTC. */
  readonly requested_at: string
  readonly requested_by: string | null
  /** Sent instead of the dead letter's own payload, and cut in this answer; null: that one was sent as it is. */
  readonly corrected: (ShownPayload & { readonly payload_bytes: number }) | null
  readonly outcome: ReplayOutcome
  readonly outcome_code: string | null
  readonly outcome_reason: string | null
  readonly settled_at: string | null
}

/** A replay on record, and what is to be published for it. */
export interface RequestedReplay {
  readonly replay: Replay
  readonly subject: string
  readonly payload: Uint8Array
  readonly origin: ReplayOrigin
}

/** Replays of one dead letter given back at most. */
const LISTED = 100

type Row = Omit<Replay, 'corrected'> & { corrected: Buffer | null; corrected_bytes: number | null }

const columns = `r.id, r.dead_letter_id, ${utc('r.requested_at')} AS requested_at, r.requested_by, r.outcome,
  r.outcome_code, r.outcome_reason, ${utc('r.settled_at')} AS settled_at,
  substring(r.payload FOR ${SHOWN_PAYLOAD_BYTES}) AS corrected, octet_length(r.payload) AS corrected_bytes`

/** The newest first. */
export async function listReplays(pool: Pool, deadLetterId: string): Promise<Replay[]> {
  const { rows } = await pool.query<Row>(
    `SELECT ${columns} FROM dead_letter_replays r
     WHERE r.dead_letter_id = $1 ORDER BY r.requested_at DESC, r.id LIMIT ${LISTED}`,
    [deadLetterId],
  )
  return rows.map(replayOf)
}

/**
 * Puts a replay of each of these dead letters on record. `payload`: what is sent instead of their own; null: they
 * are sent as they are. Left out are those that are gone, stored already, or kept in part only and not corrected.
 */
export async function requestReplays(
  pool: Pool,
  deadLetterIds: readonly string[],
  payload: Uint8Array | null,
  by: string | null,
): Promise<RequestedReplay[]> {
  // The lock keeps retention from taking a dead letter between the two steps.
  const { rows } = await pool.query<
    Row & { message_id: string; position: number; subject: string; payload: Buffer }
  >(
    `WITH d AS (
       SELECT id, message_id, position, subject, payload FROM dead_letters
       WHERE id = ANY($1::int8[]) AND stored_at IS NULL AND ($3::bytea IS NOT NULL OR code <> 'too_large')
       FOR KEY SHARE
     ), r AS (
       INSERT INTO dead_letter_replays (dead_letter_id, requested_by, payload) SELECT id, $2, $3::bytea FROM d
       RETURNING *
     )
     SELECT ${columns}, d.message_id, d.position, d.subject, coalesce(r.payload, d.payload) AS payload
     FROM r JOIN d ON d.id = r.dead_letter_id ORDER BY d.id DESC`,
    [deadLetterIds, by, payload],
  )
  return rows.map(({ message_id: messageId, position, subject, payload: sent, ...row }) => ({
    replay: replayOf(row),
    subject,
    payload: sent,
    origin: { messageId, position, replayId: row.id },
  }))
}

/** Records that the stream did not take these; what is settled meanwhile stays as it is. */
export async function failReplays(pool: Pool, ids: readonly string[], reason: string): Promise<void> {
  await pool.query(
    `UPDATE dead_letter_replays SET outcome = 'failed', outcome_reason = $2, settled_at = now()
     WHERE id = ANY($1::uuid[]) AND outcome = 'pending'`,
    [ids, reason],
  )
}

function replayOf({ corrected, corrected_bytes: bytes, ...row }: Row): Replay {
  const shown =
    corrected === null || bytes === null
      ? null
      : { ...shownPayload(corrected, corrected.length < bytes), payload_bytes: bytes }
  return { ...row, corrected: shown }
}
