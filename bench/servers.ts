// The servers that are measured against: those of NATS_URL and DATABASE_URL, embedded ones in place of the rest.
// A database of its own is made on a server and dropped at the end; nothing else there is touched.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { connectToNats, type NatsConnection } from '../src/broker/connect.ts'
import { startEmbeddedServers } from '../src/embedded/servers.ts'
import { openStateFolder } from '../src/embedded/state-folder.ts'
import { migrate, readMigrations } from '../src/store/migrate.ts'
import { openPool } from '../src/store/pool.ts'
import { pidsOf } from './processes.ts'

export interface Servers {
  readonly natsUrl: string
  readonly databaseUrl: string
  readonly isEmbedded: { readonly nats: boolean; readonly database: boolean }
  readonly nats: NatsConnection
  readonly database: pg.Client
  /** Of processes on this machine. */
  natsPids(): number[]
  databasePids(): number[]
  readonly versions: { readonly nats: string; readonly database: string; readonly timescaledb: string }
  stop(): Promise<void>
}

export async function openServers(
  signal: AbortSignal,
  log: { info(line: string): void; warn(line: string): void },
): Promise<Servers> {
  const given = { nats: process.env['NATS_URL'], database: process.env['DATABASE_URL'] }
  const releases: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const release of releases.toReversed()) await release().catch(() => undefined)
  }
  try {
    const path = await mkdtemp(join(tmpdir(), 'cnc-monitor-bench-'))
    releases.push(() => rm(path, { recursive: true, force: true }))
    const folder = await openStateFolder(path)
    releases.push(async () => folder.close())
    const anyPort = { port: 0, isPortFixed: false }
    const embedded = await startEmbeddedServers({
      folder,
      nats: given.nats === undefined ? anyPort : null,
      database: given.database === undefined ? anyPort : null,
      log,
      signal,
    })
    releases.push(() => embedded.stop())
    const natsUrl = given.nats ?? embedded.natsUrl ?? ''
    const databaseUrl =
      given.database === undefined
        ? (embedded.databaseUrl ?? '')
        : await ownDatabase(given.database, releases)
    await makeTables(databaseUrl)
    const nats = await connectToNats({ url: natsUrl, name: 'cnc-monitor bench' })
    releases.push(() => nats.close())
    const database = new pg.Client({ connectionString: databaseUrl })
    await database.connect()
    releases.push(() => database.end())
    const ask = async (sql: string) => String(Object.values((await database.query(sql)).rows[0] ?? {})[0])
    const { nats: natsPid, database: databasePid } = embedded.pids()
    return {
      natsUrl,
      databaseUrl,
      isEmbedded: { nats: given.nats === undefined, database: given.database === undefined },
      nats,
      database,
      natsPids: () => (natsPid === null ? pidsOf('nats-server') : [natsPid]),
      databasePids: () => (databasePid === null ? pidsOf('postgres') : [databasePid]),
      versions: {
        nats: nats.info?.version ?? '',
        database: await ask('SHOW server_version'),
        timescaledb: await ask("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"),
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function makeTables(url: string): Promise<void> {
  const pool = openPool({
    url,
    purpose: 'jobs',
    size: 1,
    statementTimeoutMs: 30_000,
    onError: () => undefined,
  })
  const folder = join(import.meta.dirname, '..', 'migrations')
  try {
    await migrate(pool, await readMigrations(folder), () => undefined)
  } finally {
    await pool.end()
  }
}

async function ownDatabase(url: string, releases: (() => Promise<unknown>)[]): Promise<string> {
  const name = `cnc_bench_${process.pid}`
  const run = async (sql: string) => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      await client.query(sql)
    } finally {
      await client.end()
    }
  }
  await run(`CREATE DATABASE ${name}`)
  releases.push(() => run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`))
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.href
}
