// The storage report over a thousand days of readings, asked for anew each time: through the API it is kept for ten
// seconds.
import { openPool } from '../src/store/pool.ts'
import { readStorage } from '../src/store/storage.ts'
import { fixed, quantile, whole } from './figures.ts'
import { emptyTable } from './run-case.ts'
import type { Servers } from './servers.ts'

const DAYS = 1_000
const DAYS_AT_ONCE = 100
const MACHINES = 200
const TIMES = 40

interface StorageResult {
  readonly chunks: number
  readonly p50: number
  readonly p95: number
}

export async function storageReport(
  servers: Servers,
  say: (progress: string) => void,
): Promise<StorageResult> {
  await emptyTable(servers)
  const { database, databaseUrl: url } = servers
  await database.query(
    `INSERT INTO machines (id, registered) SELECT 'BENCH-' || n, false FROM generate_series(1, ${MACHINES}) n ON CONFLICT DO NOTHING`,
  )
  for (let day = 0; day < DAYS; day += DAYS_AT_ONCE) {
    say(`storage: ${day} of ${DAYS} days`)
    await database.query(
      `INSERT INTO sensor_data (machine_id, time, message_id, position, received_at, temperature)
       SELECT 'BENCH-' || n, now() - make_interval(days => day), n, 0, now(), n
       FROM generate_series($1::int, $2::int) AS day, generate_series(1, ${MACHINES}) AS n`,
      [day, day + DAYS_AT_ONCE - 1],
    )
  }
  await database.query('ANALYZE')
  say('storage: asking')
  const onError = () => undefined
  const pool = openPool({ url, purpose: 'api', size: 1, statementTimeoutMs: 60_000, onError })
  try {
    const { chunks } = await readStorage(pool)
    const times: number[] = []
    for (let n = 0; n < TIMES; n++) {
      const startMs = performance.now()
      await readStorage(pool)
      times.push(performance.now() - startMs)
    }
    return { chunks: chunks.length, p50: quantile(times, 0.5), p95: quantile(times, 0.95) }
  } finally {
    await pool.end()
    await database.query("DELETE FROM machines WHERE id LIKE 'BENCH-%'")
    await emptyTable(servers)
  }
}

export function reportStorage({ chunks, p50, p95 }: StorageResult, print: (line: string) => void): void {
  print(
    `storage report, ${whole(chunks)} chunks: p50 ${fixed(p50, 1)} ms, p95 ${fixed(p95, 1)} ms (wanted: 250)`,
  )
}
