// The parameters of a series.
import {
  bucketSecondsOf,
  gridAround,
  MAX_BUCKETS,
  MAX_POINTS,
  seriesAggregates,
  seriesFields,
  type SeriesQuery,
} from '../series.ts'
import { oneOf, type Parameter, timeOf, wholeNumberOf } from './parameters.ts'
import { Problem } from './problems.ts'

const names = ['start_time', 'end_time', 'fields', 'bucket', 'agg', 'points'] as const
const DAY_MS = 86_400_000
const DEFAULT_POINTS = 1_000

/** Throws a problem that names the parameter. `nowMs`: the end of a window that names none. */
export function seriesQueryOf(
  machineId: string,
  parameters: Record<string, Parameter | undefined>,
  nowMs: number,
): SeriesQuery {
  const unknown = Object.keys(parameters).find((name) => !names.some((known) => known === name))
  if (unknown !== undefined) {
    throw new Problem(
      'invalid_parameter',
      `${unknown} is no parameter here; ${names.join(', ')} are.`,
      unknown,
    )
  }
  if (machineId.includes('\0')) throw new Problem('invalid_parameter', 'No machine id holds U+0000.', 'id')
  const { start_time, end_time, fields, bucket, agg, points } = parameters
  const endTime = end_time !== undefined ? timeOf('end_time', end_time) : new Date(nowMs).toISOString()
  const startTime = start_time !== undefined ? timeOf('start_time', start_time) : dayBefore(endTime)
  if (!isBefore(startTime, endTime)) {
    throw new Problem(
      'invalid_parameter',
      `start_time must lie before end_time, which is ${endTime}; it is ${startTime}.`,
      'start_time',
    )
  }
  if (bucket !== undefined && points !== undefined) {
    throw new Problem('invalid_parameter', 'Either bucket or points can be given, not both.', 'points')
  }
  return {
    machineId,
    startTime,
    endTime,
    fields: fields === undefined ? seriesFields : listOf('fields', fields, seriesFields),
    aggregates: agg === undefined ? seriesAggregates : listOf('agg', agg, seriesAggregates),
    wanted:
      bucket === undefined
        ? { points: points === undefined ? DEFAULT_POINTS : wholeNumberOf('points', points, 1, MAX_POINTS) }
        : { bucketSeconds: bucketOf(bucket, startTime, endTime) },
  }
}

function bucketOf(value: Parameter, startTime: string, endTime: string): number {
  const seconds = typeof value === 'string' ? bucketSecondsOf(value) : null
  if (seconds === null) {
    throw new Problem(
      'invalid_parameter',
      `bucket must be one number with s, m, h or d, such as 10s or 1h; it is ${JSON.stringify(value).slice(0, 200)}.`,
      'bucket',
    )
  }
  const { count } = gridAround(startTime, endTime, seconds)
  if (count <= MAX_BUCKETS) return seconds
  throw new Problem(
    'invalid_parameter',
    `The window has ${count} buckets of ${value as string}; ${MAX_BUCKETS} are the most. Ask for a larger bucket, a shorter window, or for points.`,
    'bucket',
  )
}

/** Each once, in the order given. */
function listOf<T extends string>(name: string, value: Parameter, allowed: readonly T[]): T[] {
  const parts = typeof value === 'string' ? value.split(',') : []
  if (parts.length === 0) return [oneOf(name, value, allowed)]
  return [...new Set(parts.map((part) => oneOf(name, part, allowed)))]
}

/** Texts of times compare as they are, once their fractions are as long. */
function isBefore(one: string, other: string): boolean {
  return padded(one) < padded(other)
}

function padded(time: string): string {
  return `${time.slice(0, 19)}.${time.slice(20, -1).padEnd(6, '0')}`
}

function dayBefore(time: string): string {
  const date = new Date(Date.parse(time) - DAY_MS)
  if (date.getUTCFullYear() < 1)
    throw new Problem('invalid_parameter', 'The day before end_time lies before the year 1.', 'end_time')
  return date.toISOString()
}
