// Timestamps: RFC 3339 in, UTC to the microsecond out. Text, because a JavaScript Date keeps milliseconds.
//
// Invariant: an accepted timestamp is a real instant of the calendar, and its text names exactly that instant
// (beyond the microsecond cut off, not rounded). Nothing is guessed: without an offset it is refused.

export type ParsedTimestamp =
  | {
      readonly ok: true
      /** `YYYY-MM-DDTHH:MM:SS[.f]Z`, at most six fraction digits, needless zeros cut. */
      readonly text: string
      /** Milliseconds since 1970, whole. */
      readonly ms: number
    }
  | { readonly ok: false; readonly reason: string }

const RFC3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:([Zz])|([+-])(\d{2}):(\d{2}))$/
const MINUTE_MS = 60_000

/**
 * The usual form, `YYYY-MM-DDTHH:MM:SS.ffffffZ` that ends in no needless zero, is its own result: nothing is cut
 * out of it. null: not that form, or something is odd; then the whole rule decides.
 */
function parseUsual(text: string): ParsedTimestamp | null {
  const end = text.length - 1
  if (end < 21 || end > 26 || text.charCodeAt(end) !== 0x5a || text.charCodeAt(end - 1) === 0x30) return null
  if (text.charCodeAt(4) !== 0x2d || text.charCodeAt(7) !== 0x2d || text.charCodeAt(10) !== 0x54) return null
  if (text.charCodeAt(13) !== 0x3a || text.charCodeAt(16) !== 0x3a || text.charCodeAt(19) !== 0x2e)
    return null
  const year = digits(text, 0, 2) * 100 + digits(text, 2, 2)
  const month = digits(text, 5, 2)
  const day = digits(text, 8, 2)
  const hour = digits(text, 11, 2)
  const minute = digits(text, 14, 2)
  const second = digits(text, 17, 2)
  const micros = digits(text, 20, end - 20)
  // A single "not a digit" makes its number NaN, and every comparison with NaN is false.
  if (!(year >= 100 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return null
  if (!(hour <= 23 && minute <= 59 && second <= 59 && micros >= 0)) return null
  const ms = Math.floor(micros / (POWERS[end - 20] ?? 1))
  return { ok: true, text, ms: Date.UTC(year, month - 1, day, hour, minute, second) + padded(ms, end - 20) }
}

/** What a fraction's number is divided by to leave its first three digits. */
const POWERS = [1, 1, 1, 1, 10, 100, 1000]

function padded(ms: number, length: number): number {
  return length === 1 ? ms * 100 : length === 2 ? ms * 10 : ms
}

/** NaN when one of them is no digit. */
function digits(text: string, start: number, length: number): number {
  let value = 0
  for (let i = start; i < start + length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return NaN
    value = value * 10 + digit
  }
  return value
}

/** Parses one timestamp. A leap second (:60) is refused: the calendar here has none to keep it in. */
export function parseTimestamp(text: string): ParsedTimestamp {
  const usual = parseUsual(text)
  if (usual !== null) return usual
  const match = RFC3339.exec(text)
  if (match === null) return { ok: false, reason: whyNot(text) }
  const year = Number(match[1])
  const month = Number(match[2])
  const day = Number(match[3])
  const hour = Number(match[4])
  const minute = Number(match[5])
  const second = Number(match[6])
  if (year === 0) return { ok: false, reason: 'there is no year 0' }
  if (month < 1 || month > 12) return { ok: false, reason: `there is no month ${match[2]}` }
  if (day < 1 || day > daysOf(year, month)) {
    return { ok: false, reason: `${match[1]}-${match[2]} has no day ${match[3]}` }
  }
  if (hour > 23 || minute > 59) return { ok: false, reason: `there is no time ${match[4]}:${match[5]}` }
  if (second === 60) return { ok: false, reason: 'leap seconds cannot be kept' }
  if (second > 59) return { ok: false, reason: `there is no second ${match[6]}` }
  const offsetMinutes = match[8] === undefined ? Number(match[10]) * 60 + Number(match[11]) : 0
  if (offsetMinutes > 1439 || Number(match[11] ?? 0) > 59) {
    return { ok: false, reason: `there is no offset ${match[10]}:${match[11]}` }
  }
  const fraction = match[7] ?? ''
  const local = utcMs(year, month, day, hour, minute, second)
  const whole = local - (match[9] === '-' ? -offsetMinutes : offsetMinutes) * MINUTE_MS
  const micros = trimZeros(fraction.slice(0, 6))
  const ms = whole + Number(fraction.slice(0, 3).padEnd(3, '0'))
  const seconds = offsetMinutes === 0 ? `${text.slice(0, 10)}T${text.slice(11, 19)}` : secondsText(whole)
  if (seconds === null) return { ok: false, reason: 'in UTC it lies outside the years 0001 to 9999' }
  return { ok: true, text: micros === '' ? `${seconds}Z` : `${seconds}.${micros}Z`, ms }
}

/** Whether the first of two timestamps of readings (`ParsedTimestamp.text`) names the later instant. */
export function isLater(one: string, other: string): boolean {
  // Of the same length the texts order as the instants do; otherwise the shorter one's Z would count.
  return one.length === other.length ? one > other : one.slice(0, -1) > other.slice(0, -1)
}

/** Microseconds since 1970 of a timestamp as readings have it. Exact for the years 1685 to 2255. */
export function microsOf(text: string): number {
  const fraction = text.slice(20, -1).padEnd(6, '0')
  return Date.parse(`${text.slice(0, 19)}Z`) * 1_000 + Number(fraction)
}

/** The other way round. */
export function textOfMicros(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  const fraction = trimZeros(String(micros - seconds * 1e6).padStart(6, '0'))
  const whole = new Date(seconds * 1_000).toISOString().slice(0, 19)
  return fraction === '' ? `${whole}Z` : `${whole}.${fraction}Z`
}

/** Date.UTC, for years below 100 too. */
function utcMs(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): number {
  if (year >= 100) return Date.UTC(year, month - 1, day, hour, minute, second)
  return new Date(0).setUTCFullYear(year, month - 1, day) + ((hour * 60 + minute) * 60 + second) * 1000
}

function daysOf(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function secondsText(ms: number): string | null {
  const date = new Date(ms)
  const year = date.getUTCFullYear()
  return year < 1 || year > 9999 ? null : date.toISOString().slice(0, 19)
}

function trimZeros(digits: string): string {
  let end = digits.length
  while (end > 0 && digits.charCodeAt(end - 1) === 48) end--
  return digits.slice(0, end)
}

function whyNot(text: string): string {
  if (/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}/.test(text)) {
    return 'a T must stand between date and time, as in 2026-03-01T12:00:00Z'
  }
  if (/^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?$/.test(text)) {
    return 'it has no offset; end it with Z, or with an offset such as +01:00'
  }
  return 'it is no RFC 3339 time such as 2026-03-01T12:00:00Z'
}
