// Replaying dead letters: put on record, published to the stream again, and, where the stream does not take it,
// recorded as failed. What becomes of a message that was taken, the monitor records when it has handled it.
//
// Invariant: nothing is published that is not on record first, with its id in the message's header; payloads in
// memory are bounded, however many dead letters are replayed at once.
import type { DeadLetterFilter } from './dead-letter.ts'
import { sentenceOf } from './errors.ts'
import type { Publisher } from './pipeline-types.ts'
import { REPLAY_HEADER, replayOriginText, type ReplayOrigin } from './replay-origin.ts'

interface Requested<Replay> {
  readonly replay: Replay & { readonly id: string; readonly dead_letter_id: string }
  readonly subject: string
  readonly payload: Uint8Array
  readonly origin: ReplayOrigin
}

/** What replaying needs of the store. */
export interface ReplayStore<Replay> {
  /** Leaves out dead letters that are gone, stored already, or kept in part only and not corrected. */
  requestReplays(
    ids: readonly string[],
    payload: Uint8Array | null,
    by: string | null,
  ): Promise<Requested<Replay>[]>
  failReplays(ids: readonly string[], reason: string): Promise<void>
  /** The newest first. */
  listReplayable(limit: number, filter: DeadLetterFilter, cursor: string | null): Promise<string[]>
  countReplayable(filter: DeadLetterFilter, cursor: string | null): Promise<number>
}

export interface BulkRequest {
  readonly filter: DeadLetterFilter
  /** Only dead letters older than this one; null: from the newest on. */
  readonly cursor: string | null
  readonly limit: number
  readonly by: string | null
  /** Only say how many there are. */
  readonly isDryRun: boolean
}

export interface BulkResult<Replay> {
  /** Dead letters that the filter means and that may be replayed. */
  readonly matched: number
  /** Taken by the stream, not taken by it, and left out because they were stored or removed meanwhile. */
  readonly replayed: number
  readonly failed: number
  readonly skipped: number
  /** Why those that failed did. */
  readonly failure: string | null
  /** Matched and not reached by this call. */
  readonly remaining: number
  /** Where the next call goes on; null when nothing remains. */
  readonly next_cursor: string | null
  readonly replays: readonly Replay[]
}

/** Payloads in memory at once: of a mebibyte each at most, as NATS has it by default. */
const CHUNK = 32

export interface Replaying<Replay> {
  /** Null when the store left it out. `failure`: why the stream did not take it. */
  one(
    id: string,
    payload: Uint8Array | null,
    by: string | null,
  ): Promise<{ readonly replay: Replay; readonly failure: string | null } | null>
  /** As they are; stops at the first one that the stream does not take. */
  bulk(request: BulkRequest): Promise<BulkResult<Replay>>
}

export function replaying<Replay>(store: ReplayStore<Replay>, publisher: Publisher): Replaying<Replay> {
  const publish = async ({ replay, subject, payload, origin }: Requested<Replay>): Promise<string | null> => {
    try {
      await publisher.publish(subject, payload, { [REPLAY_HEADER]: replayOriginText(origin) })
      return null
    } catch (error) {
      const reason = sentenceOf(error)
      await store.failReplays([replay.id], reason)
      return reason
    }
  }

  return {
    async one(id, payload, by) {
      const [requested] = await store.requestReplays([id], payload, by)
      return requested === undefined ? null : { replay: requested.replay, failure: await publish(requested) }
    },

    async bulk({ filter, cursor, limit, by, isDryRun }) {
      const matched = await store.countReplayable(filter, cursor)
      const ids = isDryRun ? [] : await store.listReplayable(limit, filter, cursor)
      const replays: Replay[] = []
      let failure: string | null = null
      let failed = 0
      let reached = 0
      while (reached < ids.length && failure === null) {
        const chunk = await store.requestReplays(ids.slice(reached, reached + CHUNK), null, by)
        reached += CHUNK
        const reasons = await Promise.all(chunk.map(publish))
        replays.push(...chunk.filter((_, i) => reasons[i] === null).map(({ replay }) => replay))
        failed += reasons.filter((reason) => reason !== null).length
        failure = reasons.find((reason) => reason !== null) ?? null
      }
      reached = Math.min(reached, ids.length)
      const remaining = isDryRun ? matched : Math.max(0, matched - reached)
      return {
        matched,
        replayed: replays.length,
        failed,
        skipped: reached - replays.length - failed,
        failure,
        remaining,
        next_cursor: remaining === 0 || isDryRun ? null : (ids[reached - 1] ?? null),
        replays,
      }
    },
  }
}
