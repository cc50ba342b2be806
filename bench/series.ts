// Series of a machine through the API of the whole program, with many clients at once: a day of ten readings a second
// and thirty days, each to a thousand points.
import { once } from 'node:events'
import { Agent, get, type IncomingMessage } from 'node:http'
import { runAlone } from '../src/store/keep-aggregates.ts'
import { openPool, type Pool } from '../src/store/pool.ts'
import { quantile } from './figures.ts'
import { startMonitor } from './monitor-process.ts'
import { cpuSeconds } from './processes.ts'
import { emptyTable } from './run-case.ts'
import type { Servers } from './servers.ts'

const CLIENTS = 20
const WARM_UP_MS = 2_000
const MEASURE_MS = 8_000
/** What is written in one statement. */
const ROWS = 36_000

export interface SeriesCase {
  readonly title: string
  readonly requests: number
  readonly failed: number
  readonly bytes: number
  readonly p50: number
  readonly p95: number
  /** Milliseconds of CPU a request. */
  readonly cpuMs: { readonly monitor: number; readonly database: number }
}

const machines = [
  { name: 'BENCH-DAY', days: 1, everyMs: 100 },
  { name: 'BENCH-MONTH', days: 30, everyMs: 10_000 },
]
const fields = '&fields=temperature,spindle_load_percent'
const questions = [
  { isSame: false, wanted: fields },
  { isSame: true, wanted: fields },
  { isSame: false, wanted: '' },
]

export async function seriesUnderLoad(
  servers: Servers,
  say: (progress: string) => void,
): Promise<SeriesCase[]> {
  await emptyTable(servers)
  const pool = openPool({
    url: servers.databaseUrl,
    purpose: 'jobs',
    size: 1,
    statementTimeoutMs: 600_000,
    onError: () => undefined,
  })
  try {
    await fill(pool, servers.isEmbedded.database, say)
  } finally {
    await pool.end()
  }
  say('series: starting the monitor')
  const monitor = startMonitor(servers, 'BENCH_SERIES', { STREAM_MAX_BYTES: '1000000', RETENTION_DAYS: '0' })
  try {
    const url = await monitor.url
    const endMs = Date.now()
    const results: SeriesCase[] = []
    const books = () => ({
      monitor: cpuSeconds([monitor.pid]),
      database: cpuSeconds(servers.databasePids()),
    })
    for (const { name, days } of machines) {
      for (const { isSame, wanted } of questions) {
        // Apart by a bucket, so that nobody's answer is another's.
        const apartMs = isSame ? 0 : days * 120_000
        const query = (client: number) => {
          const [start, end] = [endMs - days * 86_400_000, endMs].map((ms) =>
            new Date(ms - client * apartMs).toISOString(),
          )
          return `start_time=${start}&end_time=${end}&points=1000${wanted}`
        }
        const title = `${days === 1 ? 'a day of 10 Hz' : '30 days'}, ${wanted === '' ? 'all' : 'two'} fields, ${isSame ? 'the same for all' : 'each another window'}`
        say(`series: ${title}`)
        const before = books()
        const asked = await ask((client) => `${url}/api/v1/machines/${name}/series?${query(client)}`)
        const after = books()
        const each = (of: 'monitor' | 'database') => ((after[of] - before[of]) * 1_000) / asked.all
        results.push({ title, ...asked, cpuMs: { monitor: each('monitor'), database: each('database') } })
      }
    }
    return results
  } finally {
    await monitor.stop()
    await servers.nats.request('$JS.API.STREAM.DELETE.BENCH_SERIES').catch(() => undefined)
  }
}

/** Written by the database itself: what is measured is reading. */
async function fill(pool: Pool, isEmbedded: boolean, say: (progress: string) => void): Promise<void> {
  for (const { name, days, everyMs } of machines) {
    const count = (days * 86_400_000) / everyMs
    for (let done = 0; done < count; done += ROWS) {
      say(`series: ${name}, ${done} of ${count} readings`)
      await pool.query(
        `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, spindle_speed, x_pos_mm,
           y_pos_mm, z_pos_mm, feed_rate_actual, spindle_load_percent, machine_state, active_program_line, total_power_kw)
         SELECT $1, now() - make_interval(secs => $2::float8 - i * $3::float8), i, 0, now(), 20 + i % 97 / 8.0, 8000 + i % 1013, i % 500 / 16.0,
           i % 499 / 16.0, i % 211 / 16.0, i % 3001, i % 120, (ARRAY['RUNNING', 'IDLE', 'ALARM'])[1 + i / 700 % 3], i / 10 % 500,
           i % 15 / 4.0
         FROM generate_series($4::int, $5::int) AS i`,
        [name, days * 86_400, everyMs / 1_000, done, Math.min(done + ROWS, count) - 1],
      )
    }
  }
  say('series: refreshing the aggregates')
  // What was written this way is marked nowhere.
  const walkFrom = (ago: string) =>
    pool.query(
      'UPDATE aggregate_state SET unmarked_from = now() - $1::interval, late_before = now() - $1::interval',
      [ago],
    )
  await walkFrom('31 days')
  const { signal } = new AbortController()
  await runAlone(pool, { retentionDays: 0, windowMinutes: isEmbedded ? 10 : 60, signal })
  await walkFrom('1 hour')
  await pool.query('VACUUM ANALYZE')
}

/** Every client asks again as soon as it has its answer. */
async function ask(
  urlOfClient: (client: number) => string,
): Promise<Omit<SeriesCase, 'title' | 'cpuMs'> & { readonly all: number }> {
  const times: number[] = []
  let bytes = 0
  let failed = 0
  let all = 0
  const startMs = performance.now()
  const untilMs = startMs + WARM_UP_MS + MEASURE_MS
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS })
  const client = async (number: number) => {
    const url = urlOfClient(number)
    while (performance.now() < untilMs) {
      const askedMs = performance.now()
      const answer = await read(url, agent)
      bytes = answer.bytes
      if (answer.status !== 200) failed++
      all++
      if (askedMs > startMs + WARM_UP_MS) times.push(performance.now() - askedMs)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  agent.destroy()
  return { all, requests: times.length, failed, bytes, p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
}

/** Not by fetch, which would take more of the machine than it leaves to what is measured. */
async function read(url: string, agent: Agent): Promise<{ status: number; bytes: number }> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
  let bytes = 0
  response.on('data', (chunk: Buffer) => (bytes += chunk.length))
  await once(response, 'end')
  return { status: response.statusCode ?? 0, bytes }
}
