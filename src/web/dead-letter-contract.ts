// The shapes of the API about dead letters and their replays.
import { Type, type Static } from 'typebox'
import { nullable, shortText } from './contract.ts'

const encoding = Type.Union([Type.Literal('utf8'), Type.Literal('base64')])
const state = Type.Union([Type.Literal('open'), Type.Literal('pending'), Type.Literal('stored')])
const outcome = Type.Union([
  Type.Literal('pending'),
  Type.Literal('stored'),
  Type.Literal('refused'),
  Type.Literal('failed', { description: 'the stream did not take it' }),
])

export const deadLetterSchema = Type.Object({
  id: Type.String(),
  state,
  stream: Type.String(),
  sequence: Type.Integer(),
  position: Type.Integer(),
  in_array: Type.Boolean({ description: 'one element of the array that the message was' }),
  subject: Type.String(),
  machine_id: nullable.text,
  code: Type.String(),
  reason: Type.String(),
  payload: Type.String(),
  payload_encoding: encoding,
  payload_bytes: Type.Integer(),
  payload_truncated: Type.Boolean({ description: 'payload is only its beginning' }),
  more: Type.Integer({ description: 'further refused readings of the same message' }),
  received_at: Type.String({ description: 'RFC 3339, UTC: when the stream received it' }),
  recorded_at: Type.String({ description: 'RFC 3339, UTC: when it was refused' }),
  stored_at: Type.Union([Type.String(), Type.Null()], { description: 'when a replay of it was stored' }),
  last_replay: Type.Union([
    Type.Object({ id: Type.String(), outcome, outcome_reason: nullable.text }),
    Type.Null(),
  ]),
})
export type DeadLetter = Static<typeof deadLetterSchema>

export const replaySchema = Type.Object({
  id: Type.String(),
  dead_letter_id: Type.String(),
  requested_at: Type.String({ description: 'RFC 3339, UTC' }),
  requested_by: nullable.text,
  corrected: Type.Union(
    [
      Type.Object({ payload: Type.String(), payload_encoding: encoding, payload_bytes: Type.Integer() }),
      Type.Null(),
    ],
    { description: 'what was sent instead, cut to its beginning; null: it was sent as it is' },
  ),
  outcome,
  outcome_code: nullable.text,
  outcome_reason: nullable.text,
  settled_at: nullable.text,
})
export type Replay = Static<typeof replaySchema>

export const deadLetterWithReplaysSchema = Type.Object({
  ...deadLetterSchema.properties,
  replays: Type.Array(replaySchema),
})
export type DeadLetterWithReplays = Static<typeof deadLetterWithReplaysSchema>

export const replayRequestSchema = Type.Object(
  {
    payload: Type.Optional(Type.String({ description: 'sent instead of its own' })),
    payload_encoding: Type.Optional(encoding),
    by: Type.Optional(shortText),
  },
  { additionalProperties: false },
)
export type ReplayRequest = Static<typeof replayRequestSchema>

export const bulkRequestSchema = Type.Object(
  {
    all: Type.Optional(Type.Literal(true, { description: 'every one that is open' })),
    ids: Type.Optional(Type.Array(Type.String(), { minItems: 1, maxItems: 1_000 })),
    code: Type.Optional(Type.String()),
    machine: Type.Optional(Type.String()),
    subject: Type.Optional(Type.String()),
    stream: Type.Optional(Type.String()),
    sequence: Type.Optional(Type.Integer()),
    since: Type.Optional(Type.String()),
    until: Type.Optional(Type.String()),
    state: Type.Optional(Type.String()),
    cursor: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer()),
    by: Type.Optional(shortText),
    dry_run: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)
export type BulkReplayRequest = Static<typeof bulkRequestSchema>

export const bulkResultSchema = Type.Object({
  matched: Type.Integer(),
  replayed: Type.Integer(),
  failed: Type.Integer(),
  skipped: Type.Integer(),
  failure: nullable.text,
  remaining: Type.Integer(),
  next_cursor: nullable.text,
  replays: Type.Array(replaySchema),
})
