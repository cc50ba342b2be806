// From publishing to the commit, at a steady rate: both ends on this machine, on one clock.
import { declareStream } from '../src/broker/stream.ts'
import { streamSettings } from '../src/ingestion.ts'
import { readingAt } from './readings.ts'
import { emptyTable, measure, Worker, type Result } from './run-case.ts'
import type { Servers } from './servers.ts'
import { configFor, deleteStream, fillStream } from './stream.ts'

const WARM_MESSAGES = 20_000

export async function latencyAt(
  servers: Servers,
  perSecond: number,
  seconds: number,
  say: (progress: string) => void,
): Promise<Result> {
  const { nats, natsUrl, databaseUrl } = servers
  const [warmStream, stream] = ['BENCH_WARM', 'BENCH']
  const count = perSecond * seconds
  const worker = new Worker({ name: 'latency', natsUrl, databaseUrl, warmStream, stream, count })
  try {
    await fillStream(nats, warmStream, WARM_MESSAGES, 1, (taken) => say(`filling, ${taken} to warm up`))
    await deleteStream(nats, stream)
    await declareStream(nats, streamSettings(configFor(stream)), () => undefined)
    await emptyTable(servers)
    say('warming up')
    worker.start()
    await worker.next('ready')
    say(`publishing for ${seconds} s`)
    const result = measure(servers, worker, count, 1)
    await publishAtRate(servers, stream, perSecond, count)
    return await result
  } finally {
    await worker.end()
    for (const name of [warmStream, stream]) await deleteStream(nats, name)
  }
}

/** Each reading bears the time at which it is published. A timer that is late is caught up with. */
async function publishAtRate(
  { nats }: Servers,
  stream: string,
  perSecond: number,
  count: number,
): Promise<void> {
  const startMs = performance.now()
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) / 1_000) * perSecond))
    for (; sent < due; sent++) {
      nats.publish(`${stream}.x`, readingAt(sent, performance.timeOrigin + performance.now()))
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
