// The whole program with a backlog waiting: its memory, and how its API answers meanwhile.
import { quantile } from './figures.ts'
import { startMonitor } from './monitor-process.ts'
import { peakMiB } from './processes.ts'
import { emptyTable } from './run-case.ts'
import type { Servers } from './servers.ts'
import { deleteStream, fillStream, untilSettled } from './stream.ts'

const PATHS = ['/healthz', '/api/v1/machines'] as const
const BETWEEN_REQUESTS_MS = 20
const LIMIT_MS = 600_000

export interface UnderLoad {
  readonly messages: number
  /** From the start of the process, which includes the start. */
  readonly messagesPerSecond: number
  readonly peakMiB: number | null
  readonly answers: Readonly<
    Record<string, { count: number; failed: number; p50: number; p99: number; max: number }>
  >
}

export async function monitorUnderLoad(
  servers: Servers,
  messages: number,
  say: (progress: string) => void,
): Promise<UnderLoad> {
  const stream = 'BENCH'
  await fillStream(servers.nats, stream, messages, 1, (taken) => say(`filling, ${taken} of ${messages}`))
  await emptyTable(servers)
  say('the monitor works on it')
  const startMs = performance.now()
  const monitor = startMonitor(servers, stream)
  try {
    const url = await monitor.url
    const settled = new AbortController()
    const asking = PATHS.map((path) => ask(url + path, settled.signal))
    await untilSettled(servers.nats, stream, AbortSignal.timeout(LIMIT_MS))
    const ms = performance.now() - startMs
    const peak = peakMiB(monitor.pid)
    settled.abort()
    const answers = await Promise.all(asking)
    return {
      messages,
      messagesPerSecond: (messages / ms) * 1_000,
      peakMiB: peak,
      answers: Object.fromEntries(PATHS.map((path, i) => [path, summary(answers[i] ?? [])])),
    }
  } finally {
    await monitor.stop()
    await deleteStream(servers.nats, stream)
  }
}

/** Milliseconds of each answer; Infinity for one that failed. */
async function ask(url: string, signal: AbortSignal): Promise<number[]> {
  const times: number[] = []
  while (!signal.aborted) {
    const startMs = performance.now()
    const isGood = await fetch(url).then(
      async (response) => (await response.arrayBuffer(), response.ok),
      () => false,
    )
    times.push(isGood ? performance.now() - startMs : Infinity)
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_REQUESTS_MS))
  }
  return times
}

function summary(times: readonly number[]) {
  return {
    count: times.length,
    failed: times.filter((ms) => ms === Infinity).length,
    p50: quantile(times, 0.5),
    p99: quantile(times, 0.99),
    max: Math.max(...times),
  }
}
