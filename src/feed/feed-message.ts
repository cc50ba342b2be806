// What monitors tell each other: lines of `<received> <frame>`, the frame being what clients get, so that all
// clients of all monitors get the same; <received> is the stream's time of receipt in microseconds since 1970.
//
// Invariant: a line that is anything else is not believed: whoever may publish on the subject could have sent it.
import type { LatestReading } from '../latest-reading.ts'
import { microsOf, parseTimestamp } from '../timestamp.ts'

export interface FeedLine {
  readonly machineId: string
  /** The reading's, as readings have it. */
  readonly timestamp: string
  /** Microseconds since 1970. */
  readonly receivedAtMicros: number
  /** As in `LiveFrame`. */
  readonly text: string
}

/** `at`: when the reading was told to the feed, RFC 3339 in UTC. */
export function frameText(readingJson: string, at: string): string {
  return `{"type":"sensor_data","data":${readingJson},"timestamp":"${at}"}`
}

/** What the database says, as if a monitor had said it. */
export function lineOf({ machineId, timestamp, receivedAt, json }: LatestReading, at: string): FeedLine {
  // In a text it would stand with escaped quotes.
  const readingJson = json.replace(`,"received_at":"${receivedAt}"`, '')
  return { machineId, timestamp, receivedAtMicros: microsOf(receivedAt), text: frameText(readingJson, at) }
}

/** Lines put together to messages of about so many bytes; one that is longer alone goes alone. */
export function messagesOf(lines: readonly FeedLine[], maxBytes: number): string[] {
  const messages: string[] = []
  let open = ''
  let bytes = 0
  for (const { receivedAtMicros, text } of lines) {
    const line = `${receivedAtMicros} ${text}`
    const size = Buffer.byteLength(line) + 1
    if (bytes > 0 && bytes + size > maxBytes) {
      messages.push(open)
      open = ''
      bytes = 0
    }
    open = bytes === 0 ? line : `${open}\n${line}`
    bytes += size
  }
  if (bytes > 0) messages.push(open)
  return messages
}

/** The good lines of a message. */
export function linesOf(message: string): FeedLine[] {
  return message.split('\n').flatMap((line) => {
    const read = readLine(line)
    return read === null ? [] : [read]
  })
}

function readLine(line: string): FeedLine | null {
  const blank = line.indexOf(' ')
  const receivedAtMicros = /^\d{1,16}$/.test(line.slice(0, blank)) ? Number(line.slice(0, blank)) : NaN
  if (!Number.isSafeInteger(receivedAtMicros)) return null
  const text = line.slice(blank + 1)
  let frame: { type?: unknown; data?: { machine_id?: unknown; timestamp?: unknown } | null } | null
  try {
    frame = JSON.parse(text) as typeof frame
  } catch {
    return null
  }
  const { machine_id: machineId, timestamp } = frame?.data ?? {}
  if (frame?.type !== 'sensor_data' || typeof machineId !== 'string' || typeof timestamp !== 'string') {
    return null
  }
  const parsed = parseTimestamp(timestamp)
  return parsed.ok && parsed.text === timestamp ? { machineId, timestamp, receivedAtMicros, text } : null
}
