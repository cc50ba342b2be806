// Readings in over HTTP, from the body of the request to the stream's acknowledgement, with and without a key.
import { declareStream } from '../src/broker/stream.ts'
import { streamSettings } from '../src/ingestion.ts'
import { postingTo } from '../src/posting.ts'
import { fixed, quantile, whole } from './figures.ts'
import { readingAt } from './readings.ts'
import type { Servers } from './servers.ts'
import { configFor, deleteStream } from './stream.ts'

const STREAM = 'BENCH_POST'
const REQUESTS = 12
const AT_ONCE = 4

interface PostingCase {
  readonly title: string
  readonly readingsPerSecond: number
  /** Milliseconds a request. */
  readonly p50: number
  readonly largest: number
}

export async function readingsPosted({ nats }: Servers): Promise<PostingCase[]> {
  const results: PostingCase[] = []
  for (const [readings, isKeyed] of [
    [10_000, false],
    [10_000, true],
    [1, false],
  ] as const) {
    const config = configFor(STREAM)
    await deleteStream(nats, STREAM)
    await declareStream(nats, streamSettings(config), () => undefined)
    try {
      const posting = postingTo(config, nats)
      const requests = readings === 1 ? 4_000 : REQUESTS
      const lines = Array.from({ length: readings }, (_, n) => readingAt(n, Date.now()))
      const body = Buffer.from(lines.join('\n'))
      const times: number[] = []
      let next = 0
      const client = async () => {
        for (let n = next++; n < requests; n = next++) {
          const startMs = performance.now()
          const outcome = await posting.post(body, 'ndjson', isKeyed ? `request ${n}` : null)
          if (outcome.kind !== 'posted' || outcome.accepted !== readings) {
            throw new Error(`The stream did not take all readings: ${JSON.stringify(outcome).slice(0, 300)}`)
          }
          times.push(performance.now() - startMs)
        }
      }
      const startMs = performance.now()
      await Promise.all(Array.from({ length: AT_ONCE }, client))
      results.push({
        title: `${readings} a request${isKeyed ? ', with a key' : ''}`,
        readingsPerSecond: (requests * readings * 1_000) / (performance.now() - startMs),
        p50: quantile(times, 0.5),
        largest: Math.max(...times),
      })
    } finally {
      await deleteStream(nats, STREAM)
    }
  }
  return results
}

export function reportPosted(results: readonly PostingCase[], print: (line: string) => void): void {
  for (const { title, readingsPerSecond, p50, largest } of results) {
    print(
      `posted over HTTP, ${title}: ${whole(readingsPerSecond)} readings/s, a request p50 ${fixed(p50, 1)} ms, largest ${fixed(largest, 1)} ms`,
    )
  }
}
