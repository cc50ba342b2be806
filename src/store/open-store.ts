// Opens the store: the pools, and the schema brought up to date.
import { join } from 'node:path'
import { sentenceOf } from '../errors.ts'
import { waitFor, type Lifecycle, type WaitOptions } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { takesCopy } from './copy-in.ts'
import { LateBoundary } from './late-readings.ts'
import { migrate, readMigrations } from './migrate.ts'
import { openPool, type Pool, type PoolOptions } from './pool.ts'

const JOB_TIMEOUT_MS = 600_000

/** What only asks whether the server answers. */
const READY_LIMIT_MS = 4_000

export interface StoreOptions {
  readonly url: string
  /** Batches written at once. */
  readonly writers: number
  /** Connections for the API. */
  readonly apiConnections: number
  readonly statementTimeoutMs: number
  readonly wait: WaitOptions
}

/** As many pages of exports are read at once. */
const EXPORT_CONNECTIONS = 2

/** Separate pools: a batch never waits for a query of the API, a readiness check for neither. */
export interface Store {
  readonly ingest: Pool
  readonly ready: Pool
  readonly api: Pool
  /** Of the job that keeps the aggregates. */
  readonly jobs: Pool
  /** For pages of exports: small, so that they leave the server time for everything else. */
  readonly exports: Pool
  /** Whether the server takes COPY. */
  readonly copies: boolean
  /** Which readings are late; nothing is known of it yet. */
  readonly late: LateBoundary
}

/** Waits for the database. Throws UsageError for a server that cannot be used. */
export async function openStore(options: StoreOptions, life: Lifecycle, log: Log): Promise<Store> {
  const { statementTimeoutMs } = options
  const open = (
    purpose: 'ingest' | 'ready' | 'api' | 'exports' | 'jobs',
    size: number,
    limits: Pick<PoolOptions, 'statementTimeoutMs' | 'graceMs'> = { statementTimeoutMs },
  ) => {
    const pool = openPool({
      url: options.url,
      purpose,
      size,
      ...limits,
      onError: (error) => log.warn(`A connection to the database was lost: ${sentenceOf(error)}`),
    })
    life.onStop(`the database connections (${purpose})`, () => pool.end())
    return pool
  }
  // One more than the writers, so that numbering a stream's incarnation never waits for a batch.
  const ingest = open('ingest', options.writers + 1)
  // A check that hangs on a connection which nobody else has noticed to be dead must not keep the next one waiting.
  const ready = open('ready', 1, {
    statementTimeoutMs: Math.min(statementTimeoutMs, READY_LIMIT_MS),
    graceMs: 1_000,
  })
  const api = open('api', options.apiConnections)
  // One to work and one to look. Refreshing an hour of a large shop takes its time, and nobody waits for it.
  const jobs = open('jobs', 2, { statementTimeoutMs: JOB_TIMEOUT_MS })
  const exports = open('exports', EXPORT_CONNECTIONS)
  const migrations = await readMigrations(join(import.meta.dirname, '..', '..', 'migrations'))
  const applied = (name: string) => log.info(`Migration ${name} is applied`)
  await waitFor('the database', () => migrate(ingest, migrations, applied), options.wait)
  const copies = await waitFor('the database', () => takesCopy(ingest), options.wait)
  return { ingest, ready, api, exports, jobs, copies, late: new LateBoundary() }
}
