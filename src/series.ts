// A series: readings of one machine in columns for a chart, raw or by buckets. What the API and the store agree on.
//
// Invariant: buckets are aligned to 1970-01-01T00:00:00Z, whole, and as many as the window has: one without readings
// is null. So a client may draw what it gets, and a gap stays a gap.
import { readingFields } from './reading.ts'

/** Fields that can be drawn: all numbers, and the state as words. */
export const seriesFields = readingFields
  .filter(({ name, kind }) => kind === 'number' || kind === 'integer' || name === 'machine_state')
  .map(({ name }) => name)
export type SeriesField = (typeof seriesFields)[number]

export const seriesAggregates = ['min', 'avg', 'max', 'count'] as const
export type SeriesAggregate = (typeof seriesAggregates)[number]

/** Buckets an answer may have. */
export const MAX_BUCKETS = 20_000
/** Points that may be asked for. */
export const MAX_POINTS = 10_000

export interface SeriesQuery {
  readonly machineId: string
  /** RFC 3339 in UTC; the start belongs to the window, the end does not. */
  readonly startTime: string
  readonly endTime: string
  readonly fields: readonly SeriesField[]
  readonly aggregates: readonly SeriesAggregate[]
  /** Buckets of so many seconds, or at most about so many points: the store chooses how. */
  readonly wanted: { readonly bucketSeconds: number } | { readonly points: number }
}

/** Whole buckets around a window. */
export interface Grid {
  readonly startMs: number
  readonly endMs: number
  readonly bucketSeconds: number
  readonly count: number
}

export function gridAround(startTime: string, endTime: string, bucketSeconds: number): Grid {
  const width = bucketSeconds * 1_000
  // Buckets of years could begin before there are any.
  const startMs = Math.max(Math.floor(Date.parse(startTime) / width) * width, YEAR_1_MS)
  // Microseconds are cut off: the end may lie a little later.
  const lastMs = Date.parse(endTime) + (MICROSECONDS.test(endTime) ? 1 : 0)
  const count = Math.ceil((lastMs - startMs) / width)
  return { startMs, endMs: startMs + count * width, bucketSeconds, count }
}

const YEAR_1_MS = Date.parse('0001-01-01T00:00:00Z')
const MICROSECONDS = /\.\d{4,6}Z$/

/** Steps that people read easily; each divides a day. */
const LADDER = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
]
const DAY = 86_400

/** The smallest step with which the window has no more than so many buckets, and one for its unaligned ends. */
export function stepFor(startTime: string, endTime: string, points: number): number {
  const least = (Date.parse(endTime) - Date.parse(startTime)) / 1_000 / points
  return LADDER.find((step) => step >= least) ?? Math.ceil(least / DAY) * DAY
}

/** `10s`, `2m`, `1h`, `7d`. */
export function bucketText(seconds: number): string {
  for (const [unit, size] of Object.entries(UNITS).toReversed()) {
    if (seconds % size === 0) return `${seconds / size}${unit}`
  }
  return `${seconds}s`
}

/** Seconds; null when it is no such text. */
export function bucketSecondsOf(text: string): number | null {
  const [, count = '', unit = 's'] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? []
  return count === '' ? null : Number(count) * UNITS[unit as keyof typeof UNITS]
}

const UNITS = { s: 1, m: 60, h: 3_600, d: DAY }
