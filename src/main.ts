// The composition root: opens the parts in order, joins them, and registers how each is released.
import packageJson from '../package.json' with { type: 'json' }
import { startAggregates } from './aggregates.ts'
import { connectToNats, onReconnect } from './broker/connect.ts'
import { publisherOn } from './broker/publisher.ts'
import { watchBroker } from './broker/standing.ts'
import { readBacklog } from './broker/stream.ts'
import type { ReadConfig } from './config.ts'
import { startServers } from './embedded/start.ts'
import { sentenceOf, UsageError } from './errors.ts'
import { mistakeLog } from './ingest/mistake-log.ts'
import { freeBytesFor } from './free-space.ts'
import { progressLog } from './ingest/progress-log.ts'
import { openStream, runIngestion } from './ingestion.ts'
import { waitFor, type Lifecycle } from './lifecycle.ts'
import { openLiveFeed } from './live-feed.ts'
import type { Log } from './log.ts'
import { openMetrics } from './metrics.ts'
import { observers } from './observation.ts'
import { postingTo } from './posting.ts'
import { watchReadiness } from './readiness.ts'
import { replaying } from './replay-dead-letters.ts'
import { storageReports } from './storage-report.ts'
import { hourly, keepDeadLettersFor } from './store/dead-letter-retention.ts'
import { openStore } from './store/open-store.ts'
import { apiQueries } from './store/queries.ts'
import { createApp, listen } from './web/server.ts'

const PORT_TRIES = 20

/** Where the running monitor can be reached. */
export interface Endpoints {
  readonly http: string
  readonly nats: string
  readonly database: string
}

/** Starts the monitor; resolves when it takes messages and answers requests. The lifecycle stops it. */
export async function startMonitor(read: ReadConfig, life: Lifecycle, log: Log): Promise<Endpoints> {
  const { config, explicit } = read
  const { signal } = life
  const servers = await startServers(config, explicit, log, life)
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
  const { stream, consumer } = config.nats
  const opened = await openStream(config, nats, wait, (sentence) => log.warn(sentence))
  const readiness = watchReadiness(
    {
      database: () => store.ready.query('SELECT 1'),
      // Asks for the consumer: a server may greet and take pings while its JetStream is stuck.
      broker: async () => {
        await readBacklog(nats, stream, consumer)
        const stuck = opened.stuck()
        if (stuck !== null) throw new Error(stuck)
      },
    },
    signal,
  )
  onReconnect(nats, () => readiness.lookAgain('broker'))
  const broker = watchBroker(nats, stream, consumer, signal)
  const { latest } = aggregates
  const metrics = openMetrics({
    version: packageJson.version,
    readiness: readiness.now,
    broker,
    aggregates: latest,
  })

  const { rate: perSecond, maxClients, origins } = config.live
  const queries = apiQueries(store)
  const feed = await openLiveFeed(
    { nats, latest: queries.latest, stream, perSecond, observer: metrics.live, log },
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
    stream: opened,
    signal,
  })
  run.catch((error: unknown) => life.fail(`The monitor cannot go on: ${sentenceOf(error)}`))
  life.onStop('the pipeline', () => run.catch(() => undefined))

  const removing = keepDeadLettersFor(config.retention.deadLetterDays, hourly, store.api, signal, log)
  life.onStop('the retention of dead letters', () => removing)
  const replays = replaying(queries, publisherOn(nats))
  const posting = postingTo(config, nats)
  const storage = storageReports({
    facts: queries.storage,
    broker,
    freeBytes: freeBytesFor(config),
    retentionDays: config.retention.rawDays,
  })
  const live = { frames: feed.frames, maxClients, origins, observer: metrics.live }
  const app = createApp({
    queries,
    replays,
    posting,
    storage,
    readiness: readiness.now,
    metrics,
    live,
    log,
    heard: feed.heard,
  })
  life.onStop('the HTTP server', () => app.close())
  const tries = explicit.has('http.port') ? 0 : PORT_TRIES
  const http = await listen(app, config.http.host, config.http.port, tries)
  servers.announce(http)
  return { http, nats: servers.natsUrl, database: servers.databaseUrl }
}
