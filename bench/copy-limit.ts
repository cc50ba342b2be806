// The table's own limit: the rows that the pipeline has stored, out to a file and in again by psql's COPY, into the
// same table with the same index. On a server only: the embedded database takes no COPY.
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Result } from './run-case.ts'
import type { Servers } from './servers.ts'

const run = promisify(execFile)

/** Null where there is no psql. `sensor_data` must hold rows. */
export async function copyLimit(servers: Servers): Promise<Result | null> {
  const psql = (command: string) => run('psql', [servers.databaseUrl, '-Xqc', command])
  const folder = await mkdtemp(join(tmpdir(), 'cnc-monitor-bench-'))
  const file = join(folder, 'rows')
  try {
    await psql(`\\copy (SELECT * FROM sensor_data ORDER BY message_id, position) TO '${file}'`)
    const { rows } = await servers.database.query<{ count: string }>('SELECT count(*) FROM sensor_data')
    const count = Number(rows[0]?.count)
    await servers.database.query('TRUNCATE sensor_data')
    await servers.database.query('CHECKPOINT')
    const startMs = performance.now()
    await psql(`\\copy sensor_data FROM '${file}'`)
    const perSecond = (count / (performance.now() - startMs)) * 1_000
    return {
      messages: count,
      messagesPerSecond: perSecond,
      readingsPerSecond: perSecond,
      // psql's session is gone before its books could be read.
      cpuUs: { client: NaN, nats: 0, database: NaN },
      peakMiB: null,
      latency: null,
    }
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return null
    throw error
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
