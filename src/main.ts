// The composition root: opens the parts in order, joins them, and registers how each is released.
import packageJson from '../package.json' with { type: 'json' }
import { startAggregates } from './aggregates.ts'
import { startApi } from './api.ts'
import { connectToNats, onReconnect } from './broker/connect.ts'
import { watchBroker } from './broker/standing.ts'
import type { ReadConfig } from './config.ts'
import { startServers } from './embedded/start.ts'
import { sentenceOf, UsageError } from './errors.ts'
import { mistakeLog } from './ingest/mistake-log.ts'
import { progressLog } from './ingest/progress-log.ts'
import { openStream, runIngestion } from './ingestion.ts'
import { waitFor, type Lifecycle } from './lifecycle.ts'
import { openLiveFeed } from './live-feed.ts'
import type { Log } from './log.ts'
import { openMetrics } from './metrics.ts'
import { observers } from './observation.ts'
import { watchReadiness } from './readiness.ts'
import { hourly, keepDeadLettersFor } from './store/dead-letter-retention.ts'
import { openStore } from './store/open-store.ts'
import { apiQueries } from './store/queries.ts'

/** Where the running monitor can be reached. */
export interface Endpoints {
  readonly http: string
  readonly nats: string
  readonly database: string
}

/** Starts the monitor; resolves when it takes messages and answers requests. The lifecycle stops it. */
export async function startMonitor(read: ReadConfig, life: Lifecycle, log: Log): Promise<Endpoints> {
  const { config } = read
  const { signal } = life
  const servers = await startServers(config, read.explicit, log, life)
  const wait = {
    timeoutMs: config.startTimeoutMs,
    signal,
    onFailure: (sentence: string) => log.info(sentence),
    isFinal: (error: unknown) => error instanceof UsageError,
  }

  const store = await openStore(
    {
      url: servers.databaseUrl,
      writers: config.ingest.batchesInFlight,
      apiConnections: config.database.poolSize,
      statementTimeoutMs: config.database.statementTimeoutMs,
      wait,
    },
    life,
    log,
  )

  const onState = (connected: boolean) =>
    connected ? log.info('NATS is back') : log.warn('NATS is away; the connection is tried again')
  const nats = await waitFor(
    'NATS',
    () => connectToNats({ url: servers.natsUrl, name: 'cnc-monitor', onState }),
    wait,
  )
  life.onStop('the NATS connection', () => nats.close())
  const aggregates = await startAggregates(config, store, life, log)
  const stream = await openStream(config, nats, wait, (sentence) => log.warn(sentence))
  const readiness = watchReadiness(
    { database: () => store.ready.query('SELECT 1'), broker: () => stream.check() },
    signal,
  )
  onReconnect(nats, () => readiness.lookAgain('broker'))
  const broker = watchBroker(nats, config.nats.stream, config.nats.consumer, signal)
  const { latest } = aggregates
  const metrics = openMetrics({
    version: packageJson.version,
    readiness: readiness.now,
    broker,
    aggregates: latest,
  })

  const queries = apiQueries(store)
  const feed = await openLiveFeed(
    {
      nats,
      latest: queries.latest,
      stream: config.nats.stream,
      perSecond: config.live.rate,
      observer: metrics.live,
      log,
    },
    life,
  )

  const progress = progressLog(log)
  const flushing = setInterval(() => progress.flush(Date.now()), 1_000)
  life.onStop('the log of progress', () => {
    clearInterval(flushing)
    progress.flush(Infinity)
  })
  const run = runIngestion({
    config,
    nats,
    store,
    observer: observers(progress, metrics.pipeline, feed.pipeline, {
      interrupted: (reason) => log.warn(`Taking messages is interrupted: ${reason}`),
      resumed: () => log.info('Taking messages again'),
    }),
    onMistake: mistakeLog((line) => log.error(line)),
    stream,
    signal,
  })
  run.catch((error: unknown) => life.fail(`The monitor cannot go on: ${sentenceOf(error)}`))
  life.onStop('the pipeline', () => run.catch(() => undefined))

  const removing = keepDeadLettersFor(config.retention.deadLetterDays, hourly, store.api, signal, log)
  life.onStop('the retention of dead letters', () => removing)
  const api = { read, queries, nats, broker, readiness: readiness.now, metrics, feed }
  const http = await startApi(api, life, log)
  servers.announce(http)
  return { http, nats: servers.natsUrl, database: servers.databaseUrl }
}
