// Opens the store: the pools, the schema brought up to date, the retention policy.
import { join } from 'node:path'
import { sentenceOf } from '../errors.ts'
import { waitFor, type Lifecycle, type WaitOptions } from '../lifecycle.ts'
import type { Log } from '../log.ts'
import { takesCopy } from './copy-in.ts'
import { migrate, readMigrations } from './migrate.ts'
import { openPool, type Pool } from './pool.ts'
import { setRetention } from './retention.ts'

export interface StoreOptions {
  readonly url: string
  /** Batches written at once. */
  readonly writers: number
  /** Connections for the API. */
  readonly apiConnections: number
  readonly statementTimeoutMs: number
  /** 0 keeps raw readings for ever. */
  readonly retentionDays: number
  readonly wait: WaitOptions
}

/** As many pages of exports are read at once. */
const EXPORT_CONNECTIONS = 2

/** Separate pools: a batch never waits for a query of the API, a readiness check for neither. */
export interface Store {
  readonly ingest: Pool
  readonly ready: Pool
  readonly api: Pool
  /** For pages of exports: small, so that they leave the server time for everything else. */
  readonly exports: Pool
  /** Whether the server takes COPY. */
  readonly copies: boolean
}

/** Waits for the database. Throws UsageError for a server that cannot be used. */
export async function openStore(options: StoreOptions, life: Lifecycle, log: Log): Promise<Store> {
  const open = (purpose: 'ingest' | 'ready' | 'api' | 'exports', size: number) => {
    const pool = openPool({
      url: options.url,
      purpose,
      size,
      statementTimeoutMs: options.statementTimeoutMs,
      onError: (error) => log.warn(`A connection to the database was lost: ${sentenceOf(error)}`),
    })
    life.onStop(`the database connections (${purpose})`, () => pool.end())
    return pool
  }
  // One more than the writers, so that numbering a stream's incarnation never waits for a batch.
  const ingest = open('ingest', options.writers + 1)
  const ready = open('ready', 1)
  const api = open('api', options.apiConnections)
  const exports = open('exports', EXPORT_CONNECTIONS)
  const migrations = await readMigrations(join(import.meta.dirname, '..', '..', 'migrations'))
  const applied = (name: string) => log.info(`Migration ${name} is applied`)
  await waitFor('the database', () => migrate(ingest, migrations, applied), options.wait)
  await setRetention(ingest, options.retentionDays)
  const copies = await waitFor('the database', () => takesCopy(ingest), options.wait)
  return { ingest, ready, api, exports, copies }
}
