// A series out of the database, as JSON text: each column is one array that the database writes, so that no reading
// becomes an object on its way.
//
// The source is the coarsest that can answer: the hours or the minutes, or the raw readings for smaller buckets and
// where there are few of them. All three are real-time at their right edge; a late reading is in the minutes and hours
// once its hour is refreshed (refresh-aggregates.ts), within a minute.
import {
  bucketText,
  type Grid,
  gridAround,
  type SeriesAggregate,
  type SeriesField,
  type SeriesQuery,
  stepFor,
} from '../series.ts'
import type { Pool } from './pool.ts'

/** A chart's line breaks where two readings are further apart than this, or three times their usual distance. */
const LEAST_GAP_SECONDS = 90
/** Raw readings that are put into buckets smaller than a minute when the server chooses. */
const MANY_READINGS = 200_000
const MINUTE = 60
const HOUR = 3_600

/** The whole answer. */
export async function readSeries(pool: Pool, query: SeriesQuery): Promise<string> {
  const { wanted, startTime, endTime } = query
  if ('bucketSeconds' in wanted) {
    return (await readBuckets(pool, query, gridAround(startTime, endTime, wanted.bucketSeconds))).text
  }
  const { points } = wanted
  const step = stepFor(startTime, endTime, points)
  if (step >= MINUTE) {
    // Mostly there are many, and then this is the one query; where there are few it costs little.
    const buckets = await readBuckets(pool, query, gridAround(startTime, endTime, step))
    return buckets.isRawKept && buckets.readings <= points ? readRaw(pool, query) : buckets.text
  }
  const { isRawKept, readings } = await countRaw(pool, query)
  if (isRawKept && readings <= points) return readRaw(pool, query)
  const isRead = isRawKept && readings < MANY_READINGS
  return (await readBuckets(pool, query, gridAround(startTime, endTime, isRead ? step : MINUTE))).text
}

/** What decides whether the raw readings are given. */
interface Contents {
  readonly readings: number
  /** Retention has removed none of the window's raw readings. */
  readonly isRawKept: boolean
}

const isRawKept = (startTime: string) => `(SELECT raw_kept_since <= ${startTime} FROM aggregate_state)`

/** Ends at `MANY_READINGS`, and reads no more than the index. */
async function countRaw(pool: Pool, { machineId, startTime, endTime }: SeriesQuery): Promise<Contents> {
  const { rows } = await pool.query<[boolean | null, number]>({
    name: 'series-count',
    text: `SELECT ${isRawKept('$2::timestamptz')}, count(*)::float8 FROM (
      SELECT FROM sensor_data WHERE machine_id = $1 AND time >= $2 AND time < $3
      ORDER BY time LIMIT ${MANY_READINGS}) AS found`,
    rowMode: 'array',
    values: [machineId, startTime, endTime],
  })
  const [isKept = null, readings = 0] = rows[0] ?? []
  return { isRawKept: isKept === true, readings }
}

const NAMES = 200
const names = new Map<string, string>()

/**
 * A statement that is asked often is parsed and planned once a connection, which is more than half of its work. There
 * are as many texts as choices of fields: the first ones get a name.
 */
function named(text: string): { readonly name?: string; readonly text: string } {
  let name = names.get(text)
  if (name === undefined && names.size < NAMES) names.set(text, (name = `series-${names.size}`))
  return name === undefined ? { text } : { name, text }
}

async function readRaw(pool: Pool, { machineId, startTime, endTime, fields }: SeriesQuery): Promise<string> {
  const { rows } = await pool.query<[gap: number, times: string | null, ...columns: (string | null)[]]>({
    ...named(`WITH found AS MATERIALIZED (
        SELECT time, message_id, position, ${fields.join(', ')},
          time - lag(time) OVER (ORDER BY time, message_id, position) AS step
        FROM sensor_data WHERE machine_id = $1 AND time >= $2 AND time < $3),
      limits AS (
        SELECT greatest(make_interval(secs => ${LEAST_GAP_SECONDS}),
          3 * percentile_disc(0.5) WITHIN GROUP (ORDER BY step)) AS gap FROM found),
      drawn AS (
        SELECT time, message_id, position, ${fields.join(', ')} FROM found
        UNION ALL SELECT time - step + gap, 0, 0${', NULL'.repeat(fields.length)} FROM found, limits WHERE step > gap
        ORDER BY time, message_id, position)
      SELECT (SELECT extract(epoch FROM gap)::float8 FROM limits),
        array_to_json(array_agg(time AT TIME ZONE 'UTC'))::text,
        ${fields.map((field) => `array_to_json(array_agg(${field}))::text`).join(', ')}
      FROM drawn`),
    rowMode: 'array',
    values: [machineId, startTime, endTime],
  })
  const [gap = LEAST_GAP_SECONDS, times = null, ...columns] = rows[0] ?? []
  return answer(machineId, startTime, endTime, {
    source: 'raw',
    bucket: null,
    gapAfterSeconds: gap,
    // The database writes local times of UTC, without a Z.
    timestamps: times?.replaceAll('",', 'Z",').replace('"]', 'Z"]') ?? '[]',
    fields: fields.map((field, i) => [field, columns[i] ?? '[]']),
  })
}

type Source = 'raw' | 'minute' | 'hour'
type Column = 'min' | 'max' | 'count' | 'sum' | 'first' | 'last'

/** Where the rows are, and how a column is made of those of a bucket. */
interface Rows {
  readonly from: string
  readonly time: string
  readonly isGrouped: boolean
  readonly readings: string
  readonly column: (field: SeriesField, of: Column) => string
}

function rowsOf(source: Source, bucketSeconds: number): Rows {
  if (source === 'raw') {
    return { from: 'sensor_data', time: 'time', isGrouped: true, readings: 'count(*)', column: ofReadings }
  }
  const [from, unit] = source === 'hour' ? ['readings_by_hour', HOUR] : ['readings_by_minute', MINUTE]
  const isGrouped = bucketSeconds !== unit
  return {
    from,
    time: 'bucket',
    isGrouped,
    readings: isGrouped ? 'sum(readings::int4)' : 'readings',
    column: isGrouped ? ofAggregates : (field, of) => `${field}_${of}`,
  }
}

/** As the aggregates have it (migrations/0005). */
function ofReadings(field: SeriesField, of: Column): string {
  const order = 'timestamptz_send(time) || int8send(message_id) || int4send(position)'
  if (of === 'sum') return `sum(${field}) FILTER (WHERE ${field} BETWEEN -1e290 AND 1e290)`
  if (of === 'first' || of === 'last') return `${of}(${field}, ${order}) FILTER (WHERE ${field} IS NOT NULL)`
  return `${of}(${field})`
}

/** Counts as int4: sums of int8 are numerics, which cost several times as much. */
function ofAggregates(field: SeriesField, of: Column): string {
  const column = `${field}_${of}`
  if (of === 'first' || of === 'last') return `${of}(${column}, bucket) FILTER (WHERE ${column} IS NOT NULL)`
  return of === 'count' ? `sum(${column}::int4)` : `${of}(${column})`
}

/** What is given back of a field. A sum leaves out what a sum cannot hold, and an average of the rest would lie. */
function expression({ column }: Rows, field: SeriesField, of: SeriesAggregate | 'first' | 'last'): string {
  const part = (one: Column) => column(field, one)
  if (of !== 'avg') return part(of)
  return `CASE WHEN ${part('min')} >= -1e290 AND ${part('max')} <= 1e290
    THEN ${part('sum')}::float8 / ${part('count')}::float8 END`
}

async function readBuckets(
  pool: Pool,
  query: SeriesQuery,
  grid: Grid,
): Promise<Contents & { readonly text: string }> {
  const { machineId, fields, aggregates } = query
  const { startMs, endMs, bucketSeconds } = grid
  const source = bucketSeconds % HOUR === 0 ? 'hour' : bucketSeconds % MINUTE === 0 ? 'minute' : 'raw'
  const rowsToRead = rowsOf(source, bucketSeconds)
  const { from, time, isGrouped, readings } = rowsToRead
  const columns = fields.flatMap((field) =>
    (field === 'machine_state' ? (['first', 'last'] as const) : aggregates).map((of) => ({ field, of })),
  )
  const cells = columns.map((_, i) => `c${i}`)
  const { rows } = await pool.query<[boolean | null, number | null, ...(string | null)[]]>({
    ...named(`SELECT ${isRawKept('$2::timestamptz')}, sum(readings)::float8,
        ${cells.map((cell) => `array_to_json(array_agg(${cell}))::text`).join(', ')}
      FROM (
        SELECT readings, ${cells.join(', ')}
        FROM generate_series($2::timestamptz, $3::timestamptz, $4::interval) AS bucket
        LEFT JOIN (
          SELECT ${isGrouped ? `time_bucket($4::interval, ${time}, $2::timestamptz)` : time} AS bucket,
            ${readings} AS readings,
            ${columns.map(({ field, of }, i) => `${expression(rowsToRead, field, of)} AS c${i}`).join(', ')}
          FROM ${from}
          WHERE machine_id = $1 AND ${time} >= $2::timestamptz AND ${time} < $5::timestamptz
          ${isGrouped ? 'GROUP BY 1' : ''}) AS found USING (bucket)
        ORDER BY bucket) AS drawn`),
    rowMode: 'array',
    values: [
      machineId,
      parameterOf(startMs),
      parameterOf(endMs - bucketSeconds * 1_000),
      `${bucketSeconds} seconds`,
      parameterOf(endMs),
    ],
  })
  const [isKept = null, count = 0, ...texts] = rows[0] ?? []
  const perField = new Map<SeriesField, string[]>(fields.map((field) => [field, []]))
  columns.forEach(({ field, of }, i) => perField.get(field)?.push(`"${of}":${texts[i] ?? '[]'}`))
  const text = answer(machineId, timeText(startMs), timeText(endMs), {
    source,
    bucket: bucketText(bucketSeconds),
    gapAfterSeconds: null,
    timestamps: timestampsOf(grid),
    fields: [...perField].map(([field, columnTexts]) => [field, `{${columnTexts.join(',')}}`]),
  })
  return { text, readings: count ?? 0, isRawKept: isKept === true }
}

/** As PostgreSQL reads it, also beyond the year 9999, where JavaScript writes a sign. */
function parameterOf(ms: number): string {
  return new Date(ms).toISOString().replace(/^\+0/, '')
}

/** Most of a time's text is that of the one before. */
function timestampsOf({ startMs, bucketSeconds, count }: Grid): string {
  let day = NaN
  let date = ''
  let texts = '['
  for (let i = 0; i < count; i++) {
    const seconds = startMs / 1_000 + i * bucketSeconds
    const its = Math.floor(seconds / DAY)
    if (its !== day) {
      day = its
      date = new Date(its * DAY * 1_000).toISOString().slice(0, -'00:00:00.000Z'.length)
    }
    const rest = seconds - day * DAY
    const [hour = '', minute = '', second = ''] = [rest / HOUR, (rest % HOUR) / MINUTE, rest % MINUTE].map(
      (value) => DIGITS[Math.floor(value)],
    )
    texts += `${i === 0 ? '"' : ',"'}${date}${hour}:${minute}:${second}Z"`
  }
  return `${texts}]`
}

const DAY = 86_400
const DIGITS = Array.from({ length: 60 }, (_, i) => String(i).padStart(2, '0'))

/** Whole seconds. RFC 3339 ends with the year 9999, a bucket may end later. */
function timeText(ms: number): string {
  return new Date(Math.min(ms, LAST_MS)).toISOString().replace('.000Z', 'Z')
}

const LAST_MS = Date.parse('9999-12-31T23:59:59Z')

interface Answer {
  readonly source: Source
  readonly bucket: string | null
  readonly gapAfterSeconds: number | null
  /** JSON texts. */
  readonly timestamps: string
  readonly fields: readonly (readonly [SeriesField, string])[]
}

function answer(machineId: string, startTime: string, endTime: string, of: Answer): string {
  const head = JSON.stringify({
    machine_id: machineId,
    start_time: startTime,
    end_time: endTime,
    source: of.source,
    bucket: of.bucket,
    gap_after_seconds: of.gapAfterSeconds,
  })
  const fields = of.fields.map(([field, text]) => `"${field}":${text}`).join(',')
  return `${head.slice(0, -1)},"timestamps":${of.timestamps},"fields":{${fields}}}`
}
