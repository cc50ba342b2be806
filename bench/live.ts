// Live clients while readings arrive at a steady rate: how old what they see is, and what it costs the monitor.
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { declareStream } from '../src/broker/stream.ts'
import { streamSettings } from '../src/ingestion.ts'
import { fixed, whole } from './figures.ts'
import type { Heard, Listen, Quantiles } from './live-clients.ts'
import { startMonitor } from './monitor-process.ts'
import { cpuSeconds, peakMiB } from './processes.ts'
import { readingAt } from './readings.ts'
import { emptyTable } from './run-case.ts'
import type { Servers } from './servers.ts'
import { configFor, deleteStream } from './stream.ts'

const CLIENTS = 200
const LOOKING = 10
const MACHINES = 200
const PER_SECOND = 2_000
const WARM_SECONDS = 3

export interface LiveResult {
  /** LIVE_RATE. */
  readonly rate: number
  readonly framesPerSecond: number
  readonly mebibytesPerSecond: number
  readonly shown: Quantiles
  readonly overtaken: Quantiles
  /** Of one core. */
  readonly cpu: { readonly monitor: number; readonly clients: number }
  readonly peakMiB: number | null
}

/** `rate`: LIVE_RATE of the monitor. */
export async function liveAt(
  servers: Servers,
  rate: number,
  seconds: number,
  say: (progress: string) => void,
): Promise<LiveResult> {
  const stream = 'BENCH'
  await deleteStream(servers.nats, stream)
  await declareStream(servers.nats, streamSettings(configFor(stream)), () => undefined)
  await emptyTable(servers)
  const monitor = startMonitor(servers, stream, { LIVE_RATE: `${rate}` })
  let clients: ChildProcess | undefined
  try {
    const listen: Listen = {
      http: await monitor.url,
      clients: CLIENTS,
      looking: LOOKING,
      everyMs: (1_000 * MACHINES) / PER_SECOND,
    }
    clients = fork(join(import.meta.dirname, 'live-clients.ts'), [JSON.stringify(listen)], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    await nextOf(clients)
    const clientsPid = clients.pid ?? 0
    say('publishing')
    const publishing = publish(servers, stream, (WARM_SECONDS + seconds) * PER_SECOND)
    await pause(WARM_SECONDS * 1_000)
    clients.send('begin')
    const cpu = () => ({
      monitor: cpuSeconds([monitor.pid]),
      clients: cpuSeconds([clientsPid]),
    })
    const [before, beganMs] = [cpu(), performance.now()]
    await pause(seconds * 1_000)
    const [after, tookSeconds] = [cpu(), (performance.now() - beganMs) / 1_000]
    const peak = peakMiB(monitor.pid)
    clients.send('end')
    const done = await nextOf(clients)
    await publishing
    if (done.said !== 'done') throw new Error('the live clients said something else')
    return {
      rate,
      framesPerSecond: done.frames / tookSeconds,
      mebibytesPerSecond: done.bytes / tookSeconds / 2 ** 20,
      shown: done.shown,
      overtaken: done.overtaken,
      cpu: {
        monitor: (after.monitor - before.monitor) / tookSeconds,
        clients: (after.clients - before.clients) / tookSeconds,
      },
      peakMiB: peak,
    }
  } finally {
    clients?.kill('SIGTERM')
    await monitor.stop()
    await deleteStream(servers.nats, stream)
  }
}

/** What was wanted, and what was found. */
export function printLive(results: readonly LiveResult[]): void {
  for (const { rate, shown, overtaken, cpu, ...found } of results) {
    const quantiles = ({ p50, p99, max }: Quantiles) =>
      `p50 ${fixed(p50, 1)} ms, p99 ${fixed(p99, 1)} ms, largest ${fixed(max, 1)} ms`
    process.stdout.write(
      `live, ${CLIENTS} clients, ${whole(PER_SECOND)} readings/s of ${MACHINES} machines, LIVE_RATE ${rate}: ` +
        `${whole(found.framesPerSecond)} frames/s (${fixed(found.mebibytesPerSecond, 0)} MiB/s)\n` +
        `  publish to frame: ${quantiles(shown)} (wanted: p99 at most 250 ms), of ${whole(shown.count)}\n` +
        `  the same with the readings that newer ones overtook: ${quantiles(overtaken)}\n` +
        `  CPU of one core: monitor ${fixed(cpu.monitor * 100, 0)} %, clients ${fixed(cpu.clients * 100, 0)} %; ` +
        `monitor at most ${fixed(found.peakMiB, 0)} MiB resident\n`,
    )
  }
}

async function nextOf(child: ChildProcess): Promise<Heard> {
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the live clients ended')))
  const [heard] = (await Promise.race([once(child, 'message'), ended])) as [Heard]
  ended.catch(() => undefined)
  return heard
}

/** Each reading bears the time at which it is published. A timer that is late is caught up with. */
async function publish({ nats }: Servers, stream: string, count: number): Promise<void> {
  const startMs = performance.now()
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - startMs) / 1_000) * PER_SECOND))
    for (; sent < due; sent++) {
      nats.publish(`${stream}.x`, readingAt(sent, performance.timeOrigin + performance.now(), MACHINES))
    }
    await pause(1)
  }
  await nats.flush()
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
