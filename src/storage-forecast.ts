// When the disk is full, if readings go on coming as they came in the last full days. Pure.
import type { ChunkFacts } from './storage-facts.ts'

const DAY_MS = 86_400_000
const LOOK_BACK_MS = 7 * DAY_MS

export interface Growth {
  /** What a day of readings takes, on average; null: there is no full day of them. */
  readonly bytes_per_day: number | null
  /** RFC 3339 in UTC; null: it is not to be expected, or cannot be known. */
  readonly full_on: string | null
  /** One sentence: where these come from, or why there is none. */
  readonly because: string
}

export interface ForecastFacts {
  readonly chunks: readonly ChunkFacts[]
  readonly nowMs: number
  /** Null: not known. */
  readonly freeBytes: number | null
  /** Time of the oldest reading; null: there is none. */
  readonly oldestMs: number | null
  /** 0 keeps readings for ever. */
  readonly retentionDays: number
}

export function forecast({ chunks, nowMs, freeBytes, oldestMs, retentionDays }: ForecastFacts): Growth {
  const recent = fullDays(chunks, nowMs)
  if (recent === null || oldestMs === null) {
    return { bytes_per_day: null, full_on: null, because: 'There is no full day of readings yet.' }
  }
  const perDay = recent.bytes / recent.days
  const never = (because: string) => ({ bytes_per_day: Math.round(perDay), full_on: null, because })
  if (perDay === 0) return never('No readings of the last seven days are stored.')
  if (freeBytes === null) {
    return never(
      "How much room the database's server has is not known; DATABASE_DISK_BYTES tells what the database may take.",
    )
  }
  const daysLeft = freeBytes / perDay
  const daysOfGrowth = retentionDays === 0 ? Infinity : retentionDays - (nowMs - oldestMs) / DAY_MS
  if (daysLeft > daysOfGrowth) {
    const all = `${retentionDays} ${retentionDays === 1 ? 'day' : 'days'}`
    return never(`Readings are removed after ${all}, before the disk is full at this rate.`)
  }
  const fullMs = nowMs + daysLeft * DAY_MS
  const over = recent.days === 1 ? 'the last full day' : `the last ${Math.round(recent.days)} full days`
  if (!(fullMs < Date.UTC(10_000, 0)))
    return never(`At the rate of ${over} the disk is not full within this age.`)
  return {
    bytes_per_day: Math.round(perDay),
    full_on: `${new Date(fullMs).toISOString().slice(0, 10)}T00:00:00Z`,
    because: `At the rate of ${over}.`,
  }
}

/** Days without readings count: a shop that rests on Sundays fills its disk more slowly. */
function fullDays(chunks: readonly ChunkFacts[], nowMs: number): { bytes: number; days: number } | null {
  const current = chunks.find(({ startMs, endMs }) => startMs <= nowMs && nowMs < endMs)
  const end = current?.startMs ?? Math.floor(nowMs / DAY_MS) * DAY_MS
  const full = chunks.filter(({ endMs }) => endMs <= end)
  const [first] = full
  if (first === undefined) return null
  const longest = full.reduce((most, { startMs, endMs }) => Math.max(most, endMs - startMs), LOOK_BACK_MS)
  const start = Math.max(first.startMs, end - longest)
  const bytes = full.reduce((sum, chunk) => (chunk.startMs >= start ? sum + chunk.bytes : sum), 0)
  return { bytes, days: (end - start) / DAY_MS }
}
