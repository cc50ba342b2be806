// What leaves through the API: a large export beside psql's COPY of the same rows, the last reading of 200 machines,
// and what many exports cost ingestion.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { readingFields } from '../src/reading.ts'
import { fixed, quantile, spread, table, whole, type Spread } from './figures.ts'
import { startMonitor, type MonitorProcess } from './monitor-process.ts'
import { peakMiB } from './processes.ts'
import { emptyTable } from './run-case.ts'
import type { Servers } from './servers.ts'
import { deleteStream, fillStream, untilSettled } from './stream.ts'

const STREAM = 'BENCH'
const MACHINE = 'BENCH-EXPORT'
const PATH = `/api/v1/machines/${MACHINE}/data`
const LATEST_MACHINES = 200
const LATEST_REQUESTS = 200
const CLIENTS = 20
const ROWS_A_STATEMENT = 20_000
/** What an export gives of a machine, in its order. */
const ROWS = `SELECT machine_id, time AS timestamp, ${readingFields.map(({ name }) => name).join(', ')}, extra
  FROM sensor_data WHERE machine_id = '${MACHINE}' ORDER BY time, message_id, position`
const LIMIT_MS = 600_000

export interface Throughput {
  readonly rowsPerSecond: Spread
  readonly bytesPerSecond: Spread
}

export interface Exported {
  readonly rows: number
  /** By the way they leave: the API's formats, and COPY where there is psql and a server. */
  readonly ways: Readonly<Record<string, Throughput>>
  readonly peakMiB: number | null
  /** Milliseconds. */
  readonly latest: { readonly p50: number; readonly p95: number; readonly max: number }
  /** Messages a second of a backlog, alone and while others export. */
  readonly ingestion: {
    readonly alone: Spread
    readonly besideExports: Spread
    readonly exportedRowsPerSecond: number
  }
}

export async function measureExports(
  servers: Servers,
  rows: number,
  messages: number,
  rounds: number,
  say: (progress: string) => void,
): Promise<Exported> {
  await emptyTable(servers)
  await fillTable(servers, rows, say)
  await fillStream(servers.nats, STREAM, 100, 1, () => undefined)
  const monitor = startMonitor(servers, STREAM)
  try {
    const url = await monitor.url
    const ways = await measureWays(servers, url, rows, rounds, say)
    say(`the latest of ${LATEST_MACHINES} machines`)
    const latest = await askLatest(url)
    const peak = peakMiB(monitor.pid)
    await monitor.stop()
    return {
      rows,
      ways,
      peakMiB: peak,
      latest,
      ingestion: await measureIngestion(servers, messages, rounds, say),
    }
  } finally {
    await monitor.stop()
    await deleteStream(servers.nats, STREAM)
  }
}

/** One machine with many readings, and others with a few; in steps: the embedded database does one thing at a time. */
async function fillTable(
  { database }: Servers,
  rows: number,
  say: (progress: string) => void,
): Promise<void> {
  await database.query('TRUNCATE machines')
  for (let from = 0; from < rows; from += ROWS_A_STATEMENT) {
    say(`filling the table, ${from} of ${rows} rows`)
    await database.query(
      `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature, spindle_speed, x_pos_mm,
         y_pos_mm, z_pos_mm, feed_rate_actual, spindle_load_percent, machine_state, active_program_line, total_power_kw)
       SELECT $1, date_trunc('day', now()) - interval '3 days' + n * interval '0.200001 s', n, 0, now(),
         60 + n * 7919 % 1000 / 100.0, 8000 + n * 31 % 4000, n * 7919 % 300000 / 1000.0, n * 104729 % 200000 / 1000.0,
         -(n * 1299709 % 50000) / 1000.0, 1500 + n * 17 % 1000 / 10.0, n * 13 % 1000 / 10.0, 'RUNNING', n % 5000,
         n * 11 % 1500 / 100.0
       FROM generate_series($2::int8, $3::int8) n`,
      [MACHINE, from, Math.min(rows, from + ROWS_A_STATEMENT) - 1],
    )
  }
  await database.query(
    `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature)
     SELECT 'BENCH-' || m, now() - n * interval '1 second', n, 0, now(), n
     FROM generate_series(2, ${LATEST_MACHINES}) m, generate_series(1, 50) n`,
  )
  await database.query(
    'INSERT INTO machines (id, registered) SELECT DISTINCT machine_id, false FROM sensor_data',
  )
  await database.query('VACUUM ANALYZE sensor_data')
}

async function measureWays(
  servers: Servers,
  url: string,
  rows: number,
  rounds: number,
  say: (progress: string) => void,
): Promise<Record<string, Throughput>> {
  const ways: Record<string, () => Promise<number>> = {
    ndjson: () => download(`${url}${PATH}?format=ndjson`),
    csv: () => download(`${url}${PATH}?format=csv`),
  }
  if (!servers.isEmbedded.database) {
    ways['COPY as text'] = () => copyOut(servers, `COPY (${ROWS}) TO STDOUT`)
    ways['COPY as csv'] = () => copyOut(servers, `COPY (${ROWS}) TO STDOUT (FORMAT csv)`)
    ways['COPY of JSON'] = () => copyOut(servers, `COPY (SELECT row_to_json(r) FROM (${ROWS}) r) TO STDOUT`)
  }
  const measured: Record<string, { rows: number[]; bytes: number[] }> = {}
  for (let round = 1; round <= rounds; round++) {
    for (const [way, leave] of Object.entries(ways)) {
      say(`round ${round} of ${rounds}: ${rows} rows by ${way}`)
      const startMs = performance.now()
      const bytes = await leave()
      const seconds = (performance.now() - startMs) / 1_000
      const all = (measured[way] ??= { rows: [], bytes: [] })
      all.rows.push(rows / seconds)
      all.bytes.push(bytes / seconds)
    }
  }
  return Object.fromEntries(
    Object.entries(measured).map(([way, all]) => [
      way,
      { rowsPerSecond: spread(all.rows), bytesPerSecond: spread(all.bytes) },
    ]),
  )
}

/** Resolves to the bytes of the answer. */
async function download(address: string, signal?: AbortSignal): Promise<number> {
  const request = get(address, { agent: false, ...(signal === undefined ? {} : { signal }) })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  if (response.statusCode !== 200) throw new Error(`GET ${address}: ${response.statusCode}`)
  let bytes = 0
  for await (const chunk of response) bytes += (chunk as Buffer).length
  return bytes
}

async function copyOut({ databaseUrl }: Servers, statement: string): Promise<number> {
  const child = spawn('psql', [databaseUrl, '-Xqc', statement], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let bytes = 0
  for await (const chunk of child.stdout) bytes += (chunk as Buffer).length
  return bytes
}

async function askLatest(url: string): Promise<Exported['latest']> {
  const times: number[] = []
  for (let n = 0; n < LATEST_REQUESTS; n++) {
    const startMs = performance.now()
    await download(`${url}/api/v1/latest`)
    times.push(performance.now() - startMs)
  }
  return { p50: quantile(times, 0.5), p95: quantile(times, 0.95), max: Math.max(...times) }
}

/** In turns: the backlog is there before the monitor starts, which counts in both. */
async function measureIngestion(
  servers: Servers,
  messages: number,
  rounds: number,
  say: (progress: string) => void,
): Promise<Exported['ingestion']> {
  const rates: Record<'alone' | 'besideExports', number[]> = { alone: [], besideExports: [] }
  const exported: number[] = []
  for (let round = 1; round <= rounds; round++) {
    for (const way of ['alone', 'besideExports'] as const) {
      await fillStream(servers.nats, STREAM, messages, 1, (taken) => say(`filling, ${taken} of ${messages}`))
      say(`round ${round} of ${rounds}: ingestion ${way === 'alone' ? 'alone' : `beside ${CLIENTS} exports`}`)
      const monitor = startMonitor(servers, STREAM)
      const stop = new AbortController()
      try {
        const startMs = performance.now()
        const exporting = way === 'alone' ? null : exportOn(monitor, stop.signal)
        await untilSettled(servers.nats, STREAM, AbortSignal.timeout(LIMIT_MS))
        const seconds = (performance.now() - startMs) / 1_000
        rates[way].push(messages / seconds)
        stop.abort()
        if (exporting !== null) exported.push((await exporting) / seconds)
      } finally {
        stop.abort()
        await monitor.stop()
      }
    }
  }
  return {
    alone: spread(rates.alone),
    besideExports: spread(rates.besideExports),
    exportedRowsPerSecond: spread(exported).median,
  }
}

/** Many clients export again and again until `signal`; resolves to about how many rows they got. */
async function exportOn(monitor: MonitorProcess, signal: AbortSignal): Promise<number> {
  const url = await monitor.url
  let lines = 0
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (!signal.aborted) {
        const request = get(`${url}${PATH}?format=csv`, { agent: false, signal })
        try {
          const [response] = (await once(request, 'response')) as [IncomingMessage]
          for await (const chunk of response) lines += (chunk as Buffer).length / CSV_BYTES_A_ROW
        } catch {
          if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
    }),
  )
  return Math.round(lines)
}

/** Of the rows that fillTable makes. */
const CSV_BYTES_A_ROW = 111

export function reportExports(exported: Exported, print: (line: string) => void): void {
  const { rows, ways, latest, ingestion } = exported
  print(
    table([
      [`${whole(rows)} readings of one machine`, 'rows/s', 'spread', 'MB/s'],
      ...Object.entries(ways).map(
        ([
          way,
          {
            rowsPerSecond: { median, min, max },
            bytesPerSecond,
          },
        ]) => [way, whole(median), `${whole(min)} to ${whole(max)}`, fixed(bytesPerSecond.median / 1e6, 0)],
      ),
    ]),
  )
  const ratio = (one: string, other: string, of: keyof Throughput) =>
    fixed((ways[one]?.[of].median ?? NaN) / (ways[other]?.[of].median ?? NaN), 2)
  for (const [one, other] of [
    ['csv', 'COPY as csv'],
    ['ndjson', 'COPY of JSON'],
    ['ndjson', 'COPY as text'],
  ] as const) {
    if (ways[other] === undefined) continue
    print(
      `${one} : ${other}, wanted 0.70: rows ${ratio(one, other, 'rowsPerSecond')}, bytes ${ratio(one, other, 'bytesPerSecond')}`,
    )
  }
  print(`the monitor meanwhile: at most ${fixed(exported.peakMiB, 0)} MiB resident`)
  print(
    `latest of ${LATEST_MACHINES} machines, wanted p95 20 ms: p50 ${fixed(latest.p50, 1)} ms, p95 ${fixed(latest.p95, 1)} ms, ` +
      `largest ${fixed(latest.max, 1)} ms`,
  )
  const { alone, besideExports } = ingestion
  print(
    `ingestion beside ${CLIENTS} exports, wanted 0.80 of alone: ${fixed(besideExports.median / alone.median, 2)} ` +
      `(${whole(alone.median)} messages/s alone, ${whole(besideExports.median)} beside them, with the start; ` +
      `they got ${whole(ingestion.exportedRowsPerSecond)} readings/s)`,
  )
}
