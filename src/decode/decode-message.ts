// Bytes of a message -> readings and rejections. Pure: no clock, no input or output.
//
// Invariant: whatever the bytes are, at least one of the two lists is not empty, nothing throws, and what is
// accepted has exactly the values that were sent. One JSON.parse a message; slow paths only where something
// is odd.
import type { PlacedReading } from '../pipeline-types.ts'
import type { Rejection, RejectionCode } from '../reading.ts'
import { decodeReading, type Refusal, type TimeWindow } from './decode-reading.ts'
import { printable } from './fields.ts'
import { elementTexts } from './json-elements.ts'
import { parseJson } from './parse-json.ts'

export interface DecodeLimits {
  readonly maxPayloadBytes: number
  /** Readings in one message. */
  readonly maxReadings: number
  /** How far a timestamp may lie after the receipt of the message, in milliseconds. */
  readonly maxFutureMs: number
  /** How far it may lie before it; null: any time. */
  readonly maxAgeMs: number | null
  /** Rejections of one message that are kept one by one; the last one counts the rest. */
  readonly maxRejections: number
}

export interface Decoded {
  readonly readings: readonly PlacedReading[]
  readonly rejections: readonly Rejection[]
}

const MAX_PARSER_WORDS = 160

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

export function decodeMessage(data: Uint8Array, receivedAtMs: number, limits: DecodeLimits): Decoded {
  if (data.length > limits.maxPayloadBytes) {
    const reason = `the message has ${data.length} bytes, allowed are ${limits.maxPayloadBytes}`
    return refuseAll('too_large', reason, data.subarray(0, limits.maxPayloadBytes))
  }
  let text: string
  try {
    text = utf8.decode(data)
  } catch {
    return refuseAll('not_utf8', 'the message is not UTF-8 text', data)
  }
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    return refuseAll('not_json', whyNotJson(text, error as Error, 'message'), data)
  }
  const window = timeWindow(receivedAtMs, limits)
  if (!Array.isArray(value)) {
    const result = decodeReading(value, text, window)
    return 'machine_id' in result
      ? { readings: [{ position: 0, reading: result }], rejections: [] }
      : refuseAll(result.code, result.reason, data)
  }
  if (value.length === 0) return refuseAll('empty_array', 'the message is an array without a reading', data)
  if (value.length > limits.maxReadings) {
    const reason = `the message holds ${value.length} readings, allowed are ${limits.maxReadings}`
    return refuseAll('too_many_readings', reason, data)
  }
  return decodeArray(value, text, window, limits.maxRejections)
}

export function timeWindow(
  receivedAtMs: number,
  limits: Pick<DecodeLimits, 'maxFutureMs' | 'maxAgeMs'>,
): TimeWindow {
  return {
    receivedAtMs,
    latestMs: receivedAtMs + limits.maxFutureMs,
    earliestMs: limits.maxAgeMs === null ? -Infinity : receivedAtMs - limits.maxAgeMs,
  }
}

function decodeArray(
  values: readonly unknown[],
  text: string,
  window: TimeWindow,
  maxRejections: number,
): Decoded {
  const readings: PlacedReading[] = []
  const refusals: { position: number; refusal: Refusal }[] = []
  // The source of each element: only what was refused, or holds odd numbers, needs it.
  let texts: readonly string[] | undefined
  const textOf = (position: number) => (texts ??= elementTexts(text))[position] ?? ''
  values.forEach((value, position) => {
    const result = decodeReading(value, () => textOf(position), window)
    if ('machine_id' in result) readings.push({ position, reading: result })
    else refusals.push({ position, refusal: result })
  })
  const kept = refusals.slice(0, maxRejections)
  const rejections = kept.map(({ position, refusal: { code, reason } }, i) => ({
    code,
    reason: `reading ${position + 1} of ${values.length}: ${reason}`,
    position,
    payload: encoder.encode(textOf(position)),
    more: i === maxRejections - 1 ? refusals.length - maxRejections : 0,
  }))
  return { readings, rejections }
}

/** `what` the text is, in one word. The parser quotes it as it is, control characters and all. */
export function whyNotJson(text: string, error: Error, what: string): string {
  if (text === '') return `the ${what} is empty`
  if (text.startsWith('\ufeff')) {
    return `the ${what} starts with a byte order mark (U+FEFF), which JSON does not allow (RFC 8259)`
  }
  return `the ${what} is not JSON: ${printable(error.message, MAX_PARSER_WORDS)}`
}

function refuseAll(code: RejectionCode, reason: string, payload: Uint8Array): Decoded {
  return { readings: [], rejections: [{ code, reason, position: 0, payload, more: 0 }] }
}
