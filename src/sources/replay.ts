// A recording published again: at its own pace, faster, or as fast as the stream acknowledges.
//
// Invariant: readings leave with the values they were recorded with; only their times are moved, all by the
// same whole number of milliseconds, so that the last is now and microseconds stay as recorded.
import { setTimeout as sleep } from 'node:timers/promises'
import { sentenceOf } from '../errors.ts'
import type { Publisher } from '../pipeline-types.ts'
import { readRecording, type RecordedReading } from './recording.ts'
import { subjectOf } from './subject.ts'

/** Messages that may wait for their acknowledgement at once. */
const IN_FLIGHT = 2_000

export interface ReplayOptions {
  /** Opens the recording from its beginning; called twice unless times are kept. */
  readonly open: () => AsyncIterable<Buffer | string>
  /** Times the recorded pace. */
  readonly speed: number | 'max'
  readonly keepTime: boolean
  readonly nowMs: number
  readonly signal: AbortSignal
  readonly streamName: string
  readonly onProgress: (progress: { taken: number; total: number }) => void
  readonly onProblem: (line: number, problem: string) => void
}

export interface ReplayResult {
  readonly taken: number
  readonly refused: number
  /** Lines that were skipped. */
  readonly problems: number
  readonly firstError: string | null
}

export async function replay(publisher: Publisher, options: ReplayOptions): Promise<ReplayResult> {
  const { speed, signal, onProgress, onProblem } = options
  const { total, lastMs } = await survey(options.open, signal)
  const offsetMs = options.keepTime || lastMs === null ? 0 : options.nowMs - lastMs
  const inFlight = new Set<Promise<void>>()
  let taken = 0
  let refused = 0
  let problems = 0
  let firstError: string | null = null
  let firstMs: number | null = null
  const startedAtMs = performance.now()

  const publish = async (entry: RecordedReading) => {
    const payload = offsetMs === 0 ? entry.text : JSON.stringify({ ...entry.value, timestamp: moved(entry, offsetMs) })
    try {
      await publisher.publish(subjectOf(options.streamName, String(entry.value['machine_id'])), payload)
      taken++
    } catch (error) {
      refused++
      firstError ??= sentenceOf(error)
    }
    onProgress({ taken, total })
  }

  try {
    for await (const entry of readRecording(options.open())) {
      signal.throwIfAborted()
      if ('problem' in entry) {
        problems++
        onProblem(entry.line, entry.problem)
        continue
      }
      firstMs ??= entry.ms
      if (speed !== 'max') {
        const waitMs = (entry.ms - firstMs) / speed - (performance.now() - startedAtMs)
        if (waitMs > 1) await sleep(waitMs, undefined, { signal })
      }
      while (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight)
      const publishing: Promise<void> = publish(entry).finally(() => inFlight.delete(publishing))
      inFlight.add(publishing)
    }
  } catch (error) {
    if (!signal.aborted) throw error
    firstError ??= 'it was stopped before its end'
    refused = Math.max(refused, 1)
  } finally {
    await Promise.all(inFlight)
  }
  return { taken, refused, problems, firstError }
}

/** How many readings there are and the largest time among them. */
async function survey(
  open: () => AsyncIterable<Buffer | string>,
  signal: AbortSignal,
): Promise<{ total: number; lastMs: number | null }> {
  let total = 0
  let lastMs: number | null = null
  for await (const entry of readRecording(open())) {
    signal.throwIfAborted()
    if ('problem' in entry) continue
    total++
    if (lastMs === null || entry.ms > lastMs) lastMs = entry.ms
  }
  return { total, lastMs }
}

/** The reading's time, moved; its digits beyond the millisecond are kept. */
function moved({ timestamp, ms }: RecordedReading, offsetMs: number): string {
  const fraction = /\.(\d+)Z$/.exec(timestamp)?.[1] ?? ''
  return `${new Date(ms + offsetMs).toISOString().slice(0, -1)}${fraction.slice(3)}Z`
}
