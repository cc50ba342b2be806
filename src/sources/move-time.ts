// Moving a recorded reading in time.
//
// Invariant: nothing but the value of the top-level "timestamp" changes. It is replaced in the text: parsing and
// writing again would change integers beyond 2^53 and drop repeated names. The move is a whole number of
// milliseconds, so the digits beyond them stay as they were recorded.

/** The last instant that RFC 3339's four digits of a year can say, and the first, in milliseconds since 1970. */
const LATEST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const EARLIEST_MS = new Date(0).setUTCFullYear(1, 0, 1)

/** An RFC 3339 time in UTC; null when it would lie outside the years 0001 to 9999. */
export function movedTimestamp(timestamp: string, timestampMs: number, byMs: number): string | null {
  const ms = timestampMs + byMs
  if (ms < EARLIEST_MS || ms > LATEST_MS) return null
  return `${new Date(ms).toISOString().slice(0, -1)}${finerDigits(timestamp)}Z`
}

/** The fraction digits beyond milliseconds. */
export function finerDigits(timestamp: string): string {
  return /\.\d{3}(\d+)/.exec(timestamp)?.[1] ?? ''
}

/** `text` is a valid JSON object with a top-level "timestamp". Of repeated ones the last counts, as in JSON.parse. */
export function withTimestamp(text: string, timestamp: string): string {
  let depth = 0
  let key = ''
  let found: readonly [start: number, end: number] | undefined
  let isKey = true
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: {
        const start = i // " : to the closing quote
        for (i++; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++
        if (depth !== 1) break
        if (isKey) key = JSON.parse(text.slice(start, i + 1)) as string
        else if (key === 'timestamp') found = [start, i + 1]
        break
      }
      case 0x5b: // [
      case 0x7b: // {
        depth++
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth--
        break
      case 0x3a: // :
        if (depth === 1) isKey = false
        break
      case 0x2c: // ,
        if (depth === 1) isKey = true
        break
    }
  }
  if (found === undefined) throw new Error('a recorded reading lost its timestamp')
  return `${text.slice(0, found[0])}"${timestamp}"${text.slice(found[1])}`
}
