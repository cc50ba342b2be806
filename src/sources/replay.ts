// Publishing a recording again.
//
// Invariant: every good line is published once, in the order of the file, with its values as recorded; its time
// too, or all times moved by one whole number of milliseconds. What was not taken is counted, never hidden.
// The input is opened twice: the first pass finds the largest time and the number of readings.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Publisher } from '../pipeline-types.ts'
import { finerDigits, movedTimestamp, withTimestamp } from './move-time.ts'
import { PublishWindow } from './publish-window.ts'
import { readRecording } from './recording.ts'
import { machineSubject } from './subject.ts'

export interface ReplayProgress {
  /** Good lines read, taken by the stream, not taken. */
  readonly read: number
  readonly taken: number
  readonly refused: number
  /** Good lines of the whole recording. */
  readonly total: number
}

export interface ReplayOptions {
  /** Opens the recording from its beginning; called twice. */
  readonly open: () => AsyncIterable<Buffer | string>
  /** Times the recorded pace, over 0; or as fast as the stream acknowledges. */
  readonly speed: number | 'max'
  /** False: all times are moved by one offset, so that the largest is `nowMs`. */
  readonly keepTime: boolean
  /** Milliseconds since 1970. */
  readonly nowMs: number
  /** Aborting ends the replay early, without an error: the result says how far it came. */
  readonly signal: AbortSignal
  readonly streamName: string
  readonly onProgress?: (progress: ReplayProgress) => void
  readonly onProblem?: (line: number, problem: string) => void
}

export interface ReplayResult {
  readonly read: number
  readonly taken: number
  readonly refused: number
  /** Lines that were skipped. */
  readonly problems: number
  /** Smallest and largest time among those sent, as sent; null when there was none. */
  readonly firstTime: string | null
  readonly lastTime: string | null
  /** The sentence of the first failed publish. */
  readonly firstError: string | null
}

/** Messages unacknowledged at once. */
const MAX_IN_FLIGHT = 2_000
/** setTimeout keeps 31 bits of milliseconds; longer pauses are slept in pieces. */
const MAX_SLEEP_MS = 2 ** 30

/** Rejects only when the recording cannot be read. */
export async function replay(publisher: Publisher, options: ReplayOptions): Promise<ReplayResult> {
  const { signal, streamName, keepTime, speed } = options
  const { total, lastMs } = await survey(options)
  const byMs = keepTime ? 0 : Math.floor(options.nowMs) - lastMs
  const window = new PublishWindow(publisher, MAX_IN_FLIGHT)
  const times = new TimeSpan()
  let read = 0
  let problems = 0
  const tell = () => options.onProgress?.({ read, taken: window.taken, refused: window.refused, total })
  const skip = (line: number, problem: string) => {
    problems++
    options.onProblem?.(line, problem)
  }
  let begin: { readonly recordedMs: number; readonly atMs: number } | undefined
  for await (const entry of signal.aborted ? [] : readRecording(options.open())) {
    if ('problem' in entry) {
      skip(entry.line, entry.problem)
      continue
    }
    const { timestampMs } = entry
    const timestamp = keepTime ? entry.timestamp : movedTimestamp(entry.timestamp, timestampMs, byMs)
    if (timestamp === null) {
      skip(entry.line, 'moved, its time would lie outside the years 0001 to 9999')
      continue
    }
    begin ??= { recordedMs: timestampMs, atMs: performance.now() }
    if (speed !== 'max') await waitUntil(begin.atMs + (timestampMs - begin.recordedMs) / speed, signal)
    await window.room(signal)
    if (signal.aborted) break
    read++
    times.add(timestampMs, timestamp)
    const { machine_id: machineId } = JSON.parse(entry.text) as { machine_id: string }
    const payload = keepTime ? entry.text : withTimestamp(entry.text, timestamp)
    void window.send(machineSubject(streamName, machineId), payload).then(tell)
  }
  await window.settled()
  tell()
  const { taken, refused, firstError } = window
  return { read, taken, refused, problems, firstTime: times.first, lastTime: times.last, firstError }
}

/** The number of good lines and the largest time among them. */
async function survey({ open, signal }: ReplayOptions): Promise<{ total: number; lastMs: number }> {
  let total = 0
  let lastMs = -Infinity
  for await (const entry of readRecording(open())) {
    if (signal.aborted) break
    if ('problem' in entry) continue
    total++
    lastMs = Math.max(lastMs, entry.timestampMs)
  }
  return { total, lastMs }
}

/** Resolves at `dueMs` of performance.now, at once when that is past, early when `signal` aborts. */
async function waitUntil(dueMs: number, signal: AbortSignal): Promise<void> {
  for (let leftMs = dueMs - performance.now(); leftMs > 0; leftMs = dueMs - performance.now()) {
    try {
      await sleep(Math.min(leftMs, MAX_SLEEP_MS), undefined, { signal })
    } catch {
      return
    }
  }
}

/** The smallest and the largest time, to the last digit. */
class TimeSpan {
  first: string | null = null
  last: string | null = null
  #smallest: readonly [ms: number, finer: string] = [Infinity, '']
  #largest: readonly [ms: number, finer: string] = [-Infinity, '']

  add(ms: number, timestamp: string): void {
    // As text, digits after the same point order as numbers do, but for needless zeros, which say the same.
    const finer = finerDigits(timestamp)
    if (ms < this.#smallest[0] || (ms === this.#smallest[0] && finer < this.#smallest[1])) {
      this.#smallest = [ms, finer]
      this.first = timestamp
    }
    if (ms > this.#largest[0] || (ms === this.#largest[0] && finer > this.#largest[1])) {
      this.#largest = [ms, finer]
      this.last = timestamp
    }
  }
}
