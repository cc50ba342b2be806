// A recording: newline-delimited JSON, one reading a line.
//
// Invariant: memory is bounded by the longest line that is allowed, whatever the file holds; a bad line is
// named by its number and costs nothing else.
import { parseTimestamp } from '../timestamp.ts'

const MAX_LINE_BYTES = 2 ** 20

export interface RecordedReading {
  readonly line: number
  readonly value: Readonly<Record<string, unknown>>
  /** The line as it stands in the recording. */
  readonly text: string
  /** In UTC to the microsecond, and the same in whole milliseconds. */
  readonly timestamp: string
  readonly ms: number
}

export type RecordedLine = RecordedReading | { readonly line: number; readonly problem: string }

export async function* readRecording(input: AsyncIterable<Buffer | string>): AsyncGenerator<RecordedLine> {
  let line = 0
  for await (const bytes of lines(input)) {
    line++
    if (bytes === null) yield { line, problem: `it is longer than ${MAX_LINE_BYTES} bytes` }
    else {
      const text = bytes.toString('utf8').replace(/^\uFEFF/, '').trim()
      if (text !== '') yield parseLine(line, text)
    }
  }
}

function parseLine(line: number, text: string): RecordedLine {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { line, problem: 'it is not JSON' }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { line, problem: 'it is not a JSON object' }
  }
  const reading = value as Record<string, unknown>
  if (typeof reading['machine_id'] !== 'string') return { line, problem: 'it has no machine_id' }
  if (typeof reading['timestamp'] !== 'string') return { line, problem: 'it has no timestamp' }
  const parsed = parseTimestamp(reading['timestamp'])
  if (!parsed.ok) return { line, problem: `its timestamp cannot be read: ${parsed.reason}` }
  return { line, value: reading, text, timestamp: parsed.text, ms: parsed.ms }
}

/** Lines as bytes, without their ends; null for one that is too long. */
async function* lines(input: AsyncIterable<Buffer | string>): AsyncGenerator<Buffer | null> {
  let parts: Buffer[] = []
  let size = 0
  for await (const given of input) {
    const chunk = Buffer.isBuffer(given) ? given : Buffer.from(given)
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      size += end - start
      if (size <= MAX_LINE_BYTES) parts.push(chunk.subarray(start, end))
      yield size > MAX_LINE_BYTES ? null : Buffer.concat(parts)
      parts = []
      size = 0
      start = end + 1
    }
    size += chunk.length - start
    if (size <= MAX_LINE_BYTES) parts.push(chunk.subarray(start))
    else parts = []
  }
  if (size > 0) yield size > MAX_LINE_BYTES ? null : Buffer.concat(parts)
}
