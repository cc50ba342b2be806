// The job that keeps readings_by_minute, readings_by_hour and the raw readings' retention: every monitor looks, one
// at a time works.
//
//   look (every ten seconds): learn which readings are late -- due, or hours are marked --> run, unless it runs
//
// Invariant: looking never waits for a run, so that the boundary of late readings stays known meanwhile. A failure is
// said, kept in the database and tried again; it stops nothing.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import type { Log } from '../log.ts'
import type { AggregateRefresh } from '../observation.ts'
import { readAggregateState } from './aggregate-state.ts'
import type { LateBoundary } from './late-readings.ts'
import { type Pool, withConnection } from './pool.ts'
import { noteFailure, refreshAggregates, type Refreshed, type RefreshOptions } from './refresh-aggregates.ts'

const LOOK_EVERY_MS = 10_000
/** Held by the monitor that works, for as long as its session lasts. */
const LOCK = 4_823_067_151

export interface AggregatesOptions extends RefreshOptions {
  /** Of its own: a run takes long. Two connections. */
  readonly pool: Pool
  readonly late: LateBoundary
  readonly log: Pick<Log, 'info' | 'warn'>
}

export interface Aggregates {
  /** As they stood at the last look; null when that failed. */
  readonly latest: () => AggregateRefresh | null
  /** Resolves when the job has ended, after `signal` has aborted. Never rejects. */
  readonly ended: Promise<void>
}

/** Looks once, so that the first readings are not taken for late ones, and goes on until `signal` aborts. */
export async function keepAggregates(options: AggregatesOptions): Promise<Aggregates> {
  const { pool, late, signal, log } = options
  let latest: AggregateRefresh | null = null
  let running: Promise<void> | null = null
  /** What was said last of a failure: a lasting one is said once. */
  let said = ''

  const look = async () => {
    try {
      const askedMs = performance.now()
      const state = await readAggregateState(pool)
      late.learn(state.lateBefore, askedMs)
      latest = state
      if ((state.isDue || state.lateWindows > 0) && !signal.aborted) {
        running ??= run().finally(() => (running = null))
      }
    } catch {
      latest = null // the database is away, which others say
    }
  }

  const run = async () => {
    try {
      const refreshed = await runAlone(pool, options)
      if (refreshed !== null) said = ''
      if ((refreshed?.removedChunks ?? 0) > 0) {
        log.info(`Readings older than ${options.retentionDays} days were removed; the aggregates keep them`)
      }
    } catch (error) {
      const sentence = `The aggregates were not refreshed, which is tried again: ${sentenceOf(error)}`
      if (!signal.aborted && sentence !== said) log.warn(sentence)
      said = sentence
    }
  }

  const goOn = async () => {
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined)
      if (!signal.aborted) await look()
    }
    await running
  }

  await look()
  return { latest: () => latest, ended: goOn() }
}

/** One run, unless another monitor is at it: null then. */
export function runAlone(pool: Pool, options: RefreshOptions): Promise<Refreshed | null> {
  return withConnection(pool, async (client) => {
    const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [LOCK])
    if (rows[0]?.got !== true) return null
    try {
      return await refreshAggregates(client, options)
    } catch (error) {
      if (!options.signal.aborted) await noteFailure(client, error).catch(() => undefined)
      throw error
    } finally {
      // A broken session has let go of it already.
      await client.query('SELECT pg_advisory_unlock($1)', [LOCK]).catch(() => undefined)
    }
  })
}
