// The body of a request -> its readings, each with its own text and the decoder's word on it. Pure.
//
// Invariant: each reading is judged as if it had come in a message, at `nowMs`; one bad reading costs itself alone.
// Only what cannot be taken apart is refused as a whole.
import type { BodyForm, JudgedBody, PostedReading, RefusedReading } from '../posted-readings.ts'
import type { Reading, RejectionCode } from '../reading.ts'
import { timeWindow, whyNotJson, type DecodeLimits } from './decode-message.ts'
import { decodeReading, type Refusal, type TimeWindow } from './decode-reading.ts'
import { elementTexts } from './json-elements.ts'
import { parseJson } from './parse-json.ts'

export interface BodyLimits extends Pick<DecodeLimits, 'maxFutureMs' | 'maxAgeMs'> {
  /** Readings in one body. */
  readonly maxReadings: number
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const NEWLINE = 0x0a
const BLANK = /^[ \t\r]*$/

/** `maxBytes`: of one reading. */
export function decodeBody(
  body: Uint8Array,
  form: BodyForm,
  nowMs: number,
  maxBytes: number,
  limits: BodyLimits,
): JudgedBody {
  const judged = new Judged(timeWindow(nowMs, limits), maxBytes)
  return form === 'json' ? ofJson(body, judged, limits) : ofLines(body, judged, limits)
}

function ofJson(body: Uint8Array, judged: Judged, { maxReadings }: BodyLimits): JudgedBody {
  const text = textOf(body)
  if (text === null) return { kind: 'unreadable', reason: 'the body is not UTF-8 text' }
  let value: unknown
  try {
    value = parseJson(text)
  } catch (error) {
    return { kind: 'unreadable', reason: whyNotJson(text, error as Error, 'body') }
  }
  if (!Array.isArray(value)) judged.add(0, value, text)
  else {
    if (value.length === 0) return { kind: 'unreadable', reason: 'the body is an array without a reading' }
    if (value.length > maxReadings) return { kind: 'too_many', limit: maxReadings }
    elementTexts(text).forEach((element, position) => judged.add(position, value[position], element))
  }
  return judged
}

function ofLines(body: Uint8Array, judged: Judged, { maxReadings }: BodyLimits): JudgedBody {
  let readings = 0
  for (let start = 0, line = 0; start < body.length; line++) {
    const newline = body.indexOf(NEWLINE, start)
    const end = newline === -1 ? body.length : newline
    const text = textOf(body.subarray(start, end))
    start = end + 1
    if (text !== null && BLANK.test(text)) continue
    if (++readings > maxReadings) return { kind: 'too_many', limit: maxReadings }
    if (text === null) judged.refuse(line, { code: 'not_utf8', reason: 'the line is not UTF-8 text' })
    else judged.addLine(line, text)
  }
  return readings === 0 ? { kind: 'unreadable', reason: 'the body has no line with a reading' } : judged
}

/** Null where it is no UTF-8. */
function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

class Judged {
  readonly kind = 'readings'
  readonly accepted: PostedReading[] = []
  readonly refused: RefusedReading[] = []
  readonly #window: TimeWindow
  readonly #maxBytes: number

  constructor(window: TimeWindow, maxBytes: number) {
    this.#window = window
    this.#maxBytes = maxBytes
  }

  addLine(position: number, line: string): void {
    let value: unknown
    try {
      value = parseJson(line)
    } catch (error) {
      return this.refuse(position, { code: 'not_json', reason: whyNotJson(line, error as Error, 'line') })
    }
    this.add(position, value, line.trim())
  }

  add(position: number, value: unknown, text: string): void {
    const bytes = Buffer.byteLength(text)
    const judged: Reading | Refusal =
      bytes > this.#maxBytes
        ? refusal('too_large', `the reading has ${bytes} bytes, allowed are ${this.#maxBytes}`)
        : decodeReading(value, text, this.#window)
    if ('machine_id' in judged) this.accepted.push({ position, machineId: judged.machine_id, text })
    else this.refuse(position, judged)
  }

  refuse(position: number, { code, reason }: Refusal): void {
    this.refused.push({ position, code, reason })
  }
}

function refusal(code: RejectionCode, reason: string): Refusal {
  return { code, reason }
}
