// Dead letters leave when they are old: a job of the monitor, once at the start and then every hour.
//
// Invariant: it takes a bounded number at a time, so that nothing waits long for it, and several monitors that
// run it at once pass by what another one holds. A failure is said and tried again an hour later; it stops nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Pool } from './pool.ts'

/** When the job runs. */
export interface RetentionTimes {
  readonly everyMs: number
  /** The first run waits up to this long, and every run differs by as much: monitors started together spread out. */
  readonly jitterMs: number
}

export const hourly: RetentionTimes = { everyMs: 3_600_000, jitterMs: 60_000 }

/** Removed in one statement: a payload may have a mebibyte, and the statement its time limit. */
const CHUNK = 1_000

/** Runs until `signal` aborts; never rejects. `days`: 0 keeps them for ever. */
export async function keepDeadLettersFor(
  days: number,
  { everyMs, jitterMs }: RetentionTimes,
  pool: Pool,
  signal: AbortSignal,
  log: Pick<Log, 'info' | 'warn'>,
): Promise<void> {
  if (days === 0) return
  const pause = (ms: number) =>
    sleep(ms + Math.random() * jitterMs, undefined, { signal }).catch(() => undefined)
  for (await pause(0); !signal.aborted; await pause(everyMs)) {
    try {
      const removed = await removeOldDeadLetters(pool, days, signal)
      if (removed > 0) log.info(`Dead letters older than ${days} days were removed: ${removed}`)
    } catch (error) {
      if (!signal.aborted) {
        log.warn(`Old dead letters were not removed, which is tried again: ${sentenceOf(error)}`)
      }
    }
  }
}

/**
 * Removes what was refused more than `days` ago, and not replayed since. Resolves to how many; between two chunks
 * it ends when `signal` aborts.
 */
export async function removeOldDeadLetters(
  pool: Pool,
  days: number,
  signal: AbortSignal,
  chunk = CHUNK,
): Promise<number> {
  for (let removed = 0; ;) {
    const { rowCount } = await pool.query(
      `WITH limits AS (SELECT now() - make_interval(days => $1) AS oldest)
       DELETE FROM dead_letters WHERE id = ANY(ARRAY(
         SELECT d.id FROM dead_letters d, limits
         WHERE d.recorded_at < limits.oldest AND NOT EXISTS (
           SELECT FROM dead_letter_replays r WHERE r.dead_letter_id = d.id AND r.requested_at >= limits.oldest)
         ORDER BY d.recorded_at LIMIT $2
         FOR UPDATE OF d SKIP LOCKED))`,
      [days, chunk],
    )
    removed += rowCount ?? 0
    if ((rowCount ?? 0) < chunk || signal.aborted) return removed
  }
}
