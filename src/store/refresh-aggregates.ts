// One run of the job that keeps the aggregates: what is new, what came late, and only then what is too old.
//
//   raw_kept_since <= unmarked_from <= late_before <= refreshed_until <= now       (docs/decisions/0008)
//
// Invariants. Nothing before `raw_kept_since` is refreshed: its raw readings may be gone, and refreshing would erase
// what the aggregates keep. What is committed unmarked lies after `unmarked_from`, and from there on every run
// refreshes again; TimescaleDB does the work only where something has changed. A position is moved after the work,
// never before. One window a statement: the embedded database serves nobody meanwhile, and TimescaleDB makes one
// large range of many small ones.
import { sentenceOf } from '../errors.ts'
import type { Connection } from './pool.ts'
import { sqlstateOf } from './sqlstate.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** Marks taken at once. */
const MARKS = 20_000

export interface RefreshOptions {
  /** 0 keeps raw readings for ever. */
  readonly retentionDays: number
  /** Refreshed in one statement; divides an hour. */
  readonly windowMinutes: number
  readonly signal: AbortSignal
}

/** What a run came to. */
export interface Refreshed {
  /** Hours of late readings. */
  readonly lateHours: number
  /** Chunks of raw readings that were removed. */
  readonly removedChunks: number
}

/** Refreshes what is new and what is late, and removes old readings. Ends between two statements on `signal`. */
export async function refreshAggregates(client: Connection, options: RefreshOptions): Promise<Refreshed> {
  await client.query(
    `UPDATE aggregate_state SET last_run = now(), raw_kept_since = greatest(raw_kept_since, (
       SELECT max(time_bucket('1 hour', now() - (config->>'drop_after')::interval) + interval '1 hour')
       FROM timescaledb_information.jobs
       WHERE proc_name = 'policy_retention' AND hypertable_name = 'sensor_data'))`,
  )
  // None holds up the others for ever: a refresh that goes on failing must not fill the disk.
  const failures: unknown[] = []
  const attempt = (work: Promise<number>) =>
    work.catch((error: unknown) => {
      if (sqlstateOf(error) === null) throw error
      failures.push(error)
      return 0
    })
  await attempt(refreshNew(client, options).then(() => 0))
  const lateHours = await attempt(refreshLate(client, options))
  const removedChunks = await attempt(removeOld(client, options))
  if (failures.length > 0) throw failures[0]
  await client.query('UPDATE aggregate_state SET last_success = now()')
  return { lateHours, removedChunks }
}

/** Keeps what went wrong where the API finds it. */
export async function noteFailure(client: Connection, error: unknown): Promise<void> {
  await client.query('UPDATE aggregate_state SET last_failure = now(), last_failure_reason = $1', [
    sentenceOf(error).replaceAll('\0', '').slice(0, 1_000),
  ])
}

/**
 * Refreshes from `unmarked_from` to the present. `late_before` is what monitors are told. Half an hour after it was
 * moved none of them believes what it was told before, and what was written by that is committed: a walk that began
 * since then has seen all of it, and the next one may begin at `late_before`.
 */
async function refreshNew(client: Connection, options: RefreshOptions): Promise<void> {
  const { rows } = await client.query<Range & { isSettled: boolean }>(
    `SELECT greatest(raw_kept_since, time_bucket('1 hour', least(refreshed_until, unmarked_from))) AS start,
       time_bucket('1 minute', now() - interval '1 minute') AS end,
       late_before_since < now() - interval '30 minutes' AS "isSettled"
     FROM aggregate_state`,
  )
  const [range] = rows
  if (range === undefined) return
  await walk(client, range, options)
  if (!range.isSettled) return
  await client.query(
    `UPDATE aggregate_state SET unmarked_from = late_before, late_before_since = now(),
       late_before = greatest(late_before, time_bucket('1 minute', refreshed_until - interval '30 minutes'))`,
  )
}

interface Range {
  readonly start: Date
  readonly end: Date
}

async function walk(client: Connection, range: Range, options: RefreshOptions): Promise<void> {
  const moveTo = (time: Date) =>
    client.query('UPDATE aggregate_state SET refreshed_until = $1 WHERE refreshed_until < $1', [time])
  let hour = range.start.getTime()
  for (const chunk of await storedRanges(client, range)) {
    // Between the chunks nothing is to be refreshed, and there may be years.
    hour = Math.max(hour, Math.floor(chunk.start.getTime() / HOUR_MS) * HOUR_MS)
    for (; hour < chunk.end.getTime(); hour += HOUR_MS) {
      const end = Math.min(hour + HOUR_MS, range.end.getTime())
      await refreshHour(client, hour, end, options)
      await moveTo(new Date(end))
    }
  }
  await moveTo(range.end)
}

/** The chunks of the raw readings. */
async function storedRanges(client: Connection, { start, end }: Range): Promise<Range[]> {
  const { rows } = await client.query<Range>(
    `SELECT greatest(range_start, $1) AS start, least(range_end, $2) AS end FROM timescaledb_information.chunks
     WHERE hypertable_name = 'sensor_data' AND range_end > $1 AND range_start < $2 ORDER BY range_start`,
    [start, end],
  )
  return rows
}

/** Both aggregates of one hour, as far as `endMs`. */
async function refreshHour(
  client: Connection,
  hourMs: number,
  endMs: number,
  { windowMinutes, signal }: RefreshOptions,
): Promise<void> {
  const refresh = async (view: string, startMs: number, untilMs: number) => {
    signal.throwIfAborted()
    const times = [startMs, untilMs].map((ms) => new Date(ms).toISOString())
    await client.query(
      `CALL refresh_continuous_aggregate('${view}', $1::timestamptz, $2::timestamptz)`,
      times,
    )
  }
  const windowMs = windowMinutes * MINUTE_MS
  for (let start = hourMs; start < endMs; start += windowMs) {
    await refresh('readings_by_minute', start, Math.min(start + windowMs, endMs))
  }
  if (endMs === hourMs + HOUR_MS) await refresh('readings_by_hour', hourMs, endMs)
}

/**
 * Refreshes the marked hours and takes the marks away that were there before. An hour that fails keeps its marks and
 * does not hold up the others.
 */
async function refreshLate(client: Connection, options: RefreshOptions): Promise<number> {
  const { rows } = await client.query<MarkedHour>(
    `SELECT time_bucket('1 hour', hour) AS hour, array_agg(id) AS ids,
       time_bucket('1 hour', hour) < (SELECT raw_kept_since FROM aggregate_state) AS "isBelowFloor",
       least(time_bucket('1 hour', hour) + interval '1 hour', (SELECT refreshed_until FROM aggregate_state)) AS end
     FROM (SELECT id, hour FROM late_hours ORDER BY id LIMIT ${MARKS}) AS marks GROUP BY 1 ORDER BY 1 DESC`,
  )
  let failure: unknown = null
  for (const { hour, ids, isBelowFloor, end } of rows) {
    try {
      // What lies after `refreshed_until` needs no mark.
      if (!isBelowFloor) await refreshHour(client, hour.getTime(), end.getTime(), options)
    } catch (error) {
      if (sqlstateOf(error) === null) throw error
      failure ??= error
      continue
    }
    await client.query(
      `WITH gone AS (DELETE FROM late_hours WHERE id = ANY($1::bigint[]) RETURNING id)
       UPDATE aggregate_state SET late_below_floor = late_below_floor + (SELECT count(*) FROM gone) WHERE $2`,
      [ids, isBelowFloor],
    )
  }
  if (failure !== null) throw failure
  return rows.length
}

interface MarkedHour {
  readonly hour: Date
  readonly ids: readonly string[]
  readonly isBelowFloor: boolean
  readonly end: Date
}

/**
 * Removes raw readings that are older than they are kept and in the aggregates, mark by mark. A refresh that goes on
 * failing holds that up for a week at most. The floor is moved first: a run that is cut off in between does no harm.
 */
async function removeOld(client: Connection, { retentionDays, signal }: RefreshOptions): Promise<number> {
  if (retentionDays === 0) return 0
  signal.throwIfAborted()
  const moved = await client.query<{ floor: Date }>(
    `UPDATE aggregate_state SET raw_kept_since = floor
     FROM (SELECT time_bucket('1 hour', greatest(
         now() - make_interval(hours => 24 * ($1 + 7)),
         least(now() - make_interval(hours => 24 * $1), refreshed_until, unmarked_from, (SELECT min(hour) FROM late_hours))
       )) AS floor FROM aggregate_state) AS next
     WHERE raw_kept_since < floor RETURNING floor`,
    [retentionDays],
  )
  const [next] = moved.rows
  if (next === undefined) return 0
  const removed = await client.query("SELECT drop_chunks('sensor_data', older_than => $1::timestamptz)", [
    next.floor,
  ])
  return removed.rowCount ?? 0
}
