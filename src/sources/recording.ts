// A recording: newline-delimited JSON, one reading a line.
//
// Invariant: every line that is not blank comes out exactly once, in order, as its text or as a problem with its
// number; memory is bounded by one line of at most 1 MiB, whatever the input holds. Only what a replay needs is
// judged here (a time and a machine); the rest is for the monitor to accept or to refuse.
import { parseTimestamp } from '../timestamp.ts'

export type RecordedLine =
  | {
      /** From 1. */
      readonly line: number
      /** The JSON object as it was recorded. */
      readonly text: string
      /** Milliseconds since 1970, whole. */
      readonly timestampMs: number
      /** As recorded: any offset, any number of fraction digits. */
      readonly timestamp: string
    }
  | { readonly line: number; readonly problem: string }

/** Bytes of a line at most: what a message may hold by NATS's own default. */
const MAX_LINE_BYTES = 2 ** 20
const BOM = '\ufeff'
const NEWLINE = 0x0a
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads lines as they come. Leaving the loop early closes the input. */
export async function* readRecording(
  input: AsyncIterable<Buffer | string>,
): AsyncGenerator<RecordedLine, void, void> {
  let line = 1
  let parts: Buffer[] = []
  let bytes = 0
  const add = (part: Buffer) => {
    bytes += part.length
    if (bytes <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  const take = () => {
    const isTooLong = bytes > MAX_LINE_BYTES
    const result = isTooLong ? tooLong(line, bytes) : parseLine(line, Buffer.concat(parts, bytes))
    line++
    parts = []
    bytes = 0
    return result
  }
  for await (const chunk of input) {
    const data = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    let start = 0
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      add(data.subarray(start, end))
      start = end + 1
      const result = take()
      if (result !== null) yield result
    }
    // Copied: the input may use its buffer again.
    if (start < data.length) add(Buffer.from(data.subarray(start)))
  }
  const last = take()
  if (last !== null) yield last
}

function tooLong(line: number, bytes: number): RecordedLine {
  return { line, problem: `it has ${bytes} bytes, allowed are ${MAX_LINE_BYTES}` }
}

/** Null for a blank line. */
function parseLine(line: number, data: Buffer): RecordedLine | null {
  let text: string
  try {
    text = utf8.decode(data)
  } catch {
    return { line, problem: 'it is not UTF-8 text' }
  }
  text = (line === 1 && text.startsWith(BOM) ? text.slice(1) : text).trim()
  if (text === '') return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return { line, problem: `it is not JSON: ${(error as Error).message}` }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { line, problem: 'it is no JSON object' }
  }
  const { machine_id: machineId, timestamp } = value as Record<string, unknown>
  if (typeof machineId !== 'string') return { line, problem: 'it has no machine_id, or one that is no text' }
  if (typeof timestamp !== 'string') return { line, problem: 'it has no timestamp, or one that is no text' }
  const parsed = parseTimestamp(timestamp)
  if (!parsed.ok) return { line, problem: `its timestamp cannot be read: ${parsed.reason}` }
  return { line, text, timestampMs: parsed.ms, timestamp }
}
