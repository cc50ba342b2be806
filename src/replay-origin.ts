// Where a replayed message comes from: the header that a replay is published with, written and read here alone.
//
// Invariant: whatever a header holds, reading it yields an origin that the database can be asked about, or null.
// Anybody may send such a header; the store believes it only where the replay is on record.

/** The header's name; its value is `<message_id>:<position>:<replay id>`. */
export const REPLAY_HEADER = 'Cnc-Replay-Of'

export interface ReplayOrigin {
  /** Identity of the message that was refused: a positive bigint as decimal text (docs/decisions/0003). */
  readonly messageId: string
  /** Index of the refused reading in that message's array; 0 when the whole message was refused. */
  readonly position: number
  /** The attempt: a UUID, so that nobody guesses it. */
  readonly replayId: string
}

const FORM = /^([1-9]\d{0,18}):(0|[1-9]\d{0,9}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/
const LARGEST_BIGINT = 2n ** 63n - 1n
const LARGEST_POSITION = 2 ** 31 - 1

export function replayOriginText({ messageId, position, replayId }: ReplayOrigin): string {
  return `${messageId}:${position}:${replayId}`
}

/** Null for what `replayOriginText` never writes. */
export function replayOriginIn(text: string): ReplayOrigin | null {
  const [, messageId, position, replayId] = FORM.exec(text) ?? []
  if (messageId === undefined || replayId === undefined) return null
  if (BigInt(messageId) > LARGEST_BIGINT || Number(position) > LARGEST_POSITION) return null
  return { messageId, position: Number(position), replayId }
}
