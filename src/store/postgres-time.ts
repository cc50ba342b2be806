// Times as PostgreSQL keeps them: whole microseconds since 2000-01-01T00:00:00Z, in the proleptic Gregorian
// calendar (PostgreSQL documentation, Date/Time Types).

/** Milliseconds between PostgreSQL's epoch and that of JavaScript. */
const EPOCH_2000_MS = 946_684_800_000
const ZERO = 0x30
const LENGTH_WITHOUT_FRACTION = 20

/** Of milliseconds since 1970, with a fraction. */
export function microsOfMs(ms: number): number {
  return Math.round((ms - EPOCH_2000_MS) * 1_000)
}

/**
 * Of a reading's timestamp (reading.ts: `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`, checked already). A bigint where a
 * number would not be exact: before the year 1715 and after 2284.
 */
export function microsOfTimestamp(time: string): number | bigint {
  const days = daysSince2000(digits(time, 0, 4), digits(time, 5, 2), digits(time, 8, 2))
  const seconds = ((days * 24 + digits(time, 11, 2)) * 60 + digits(time, 14, 2)) * 60 + digits(time, 17, 2)
  const fractionDigits = Math.max(0, time.length - LENGTH_WITHOUT_FRACTION - 1)
  let micros = digits(time, LENGTH_WITHOUT_FRACTION, fractionDigits)
  for (let i = fractionDigits; i < 6; i++) micros *= 10
  const all = seconds * 1_000_000 + micros
  return Number.isSafeInteger(all) ? all : BigInt(seconds) * 1_000_000n + BigInt(micros)
}

/** The reverse: RFC 3339 in UTC, to the microsecond, six digits of fraction. Of the years 1 to 9999. */
export function timestampOfMicros(micros: bigint): string {
  const sinceMs = micros >= 0n ? micros / 1_000n : (micros - 999n) / 1_000n
  const rest = String(micros - sinceMs * 1_000n).padStart(3, '0')
  return `${new Date(Number(sinceMs) + EPOCH_2000_MS).toISOString().slice(0, -1)}${rest}Z`
}

/** Counted in years that begin in March, so that the leap day is the last one of its year. */
function daysSince2000(year: number, month: number, day: number): number {
  const y = month > 2 ? year : year - 1
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  const days = y * 365 + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear
  return days - DAYS_TO_2000
}

/** From 0000-03-01 to 2000-01-01. */
const DAYS_TO_2000 = 730_425

function digits(text: string, start: number, length: number): number {
  let value = 0
  for (let i = start; i < start + length; i++) value = value * 10 + (text.charCodeAt(i) - ZERO)
  return value
}
